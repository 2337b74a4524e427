"""A receiver that fails at random and deliverers that are killed: every event arrives, under one id."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.db.collections.endpoints import new_secret
from app.db.db import ENDPOINTS
from app.domain.file import PUBLIC_OWNER
from tests.support.receiver import BROKEN, HANG, OK, RESET, Answer, Receiver
from tests.support.records import Records
from tests.support.webhooks import Webhooks

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = 20
KILLS = 6
PATIENT_TIMES = 7
"""From then on it accepts: far fewer than a delivery's attempts, so that a slow machine has some to lose."""
PATIENCE_S = 150.0
MOVED = Answer(301, {"location": "/elsewhere"}, b"")
SLOW_DOWN = Answer(429, {"retry-after": "0"}, b"")


def unreliable(seed: int) -> Receiver:
    """Fails two times of three, but gives in before the attempts are used up."""
    receiver, chance = Receiver(), random.Random(seed)

    def answer(path: str, times: int) -> Answer:
        if times >= PATIENT_TIMES:
            return OK
        return chance.choice([OK, OK, OK, BROKEN, RESET, MOVED, SLOW_DOWN, BROKEN, HANG])

    receiver.answer = answer
    return receiver


@contextmanager
def deliverers(*arguments: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes; whoever kills one puts another in its place."""
    running = [start(*arguments) for _ in range(2)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def start(*arguments: str) -> subprocess.Popen[bytes]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "tests.support.deliver", *arguments]
    return subprocess.Popen(command, env=environ, cwd=ROOT, stderr=subprocess.DEVNULL)


def wait_for(condition: object, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_every_event_arrives_at_least_once_though_everything_fails(mongo_url: str, mongo_db: str) -> None:
    with Records(mongo_url, mongo_db) as records, unreliable(seed=7).running() as receiver:
        scene = Webhooks(mongo_url, mongo_db, records, receiver)
        secret = new_secret()
        records.database[ENDPOINTS].insert_one(
            {
                "_id": "we_1",
                "owner": PUBLIC_OWNER,
                "kind": "endpoint",
                "url": receiver.url("/all"),
                "events": [],
                "enabled": True,
                "created_at": records.work.now(),
                "secrets": [{"key": secret}],
            }
        )
        made = [scene.completed, scene.failed, scene.cancelled]
        with deliverers(mongo_url, mongo_db, receiver.allow) as running:
            ended = []
            for number in range(DOCUMENTS):
                url = {"webhook_url": receiver.url("/upload")} if number % 2 else {}
                ended.append(made[number % 3](**url))
            for kill in range(KILLS):
                before = len(receiver.received)
                wait_for(
                    lambda: len(receiver.received) >= before + 4 or scene.settled(),  # noqa: B023
                    "the deliverers stand still",
                )
                victim = running[kill % 2]
                victim.send_signal(signal.SIGKILL)
                victim.wait()
                running[kill % 2] = start(mongo_url, mongo_db, receiver.allow)
            wait_for(scene.settled, "not all was delivered")
        check_what_arrived(scene, secret, {str(file_id) for file_id in ended})


def check_what_arrived(scene: Webhooks, secret: str, ended: set[str]) -> None:
    receiver = scene.receiver
    assert {one.event["data"]["id"] for one in receiver.accepted() if one.path == "/all"} == ended
    assert (
        len({one.event["data"]["id"] for one in receiver.accepted() if one.path == "/upload"})
        == DOCUMENTS // 2
    )
    assert receiver.at("/elsewhere") == []
    for one in receiver.at("/all"):
        assert one.verified_by(secret)
    ids = {(one.event["data"]["id"], one.id) for one in receiver.received}
    assert len(ids) == DOCUMENTS, "every retry of an event, for every target, has the event's id"
    for delivery in scene.deliveries.find():
        assert delivery["state"] == "delivered"
        sent = receiver.at("/all" if delivery["endpoint"] == "we_1" else "/upload")
        arrived = sum(one.id == delivery["event"]["id"] for one in sent)
        assert len(delivery["attempts"]) >= arrived, "each request that was made is on record"
