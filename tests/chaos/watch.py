"""Beside the faults: when a worker was idle, when this machine stood still, and bells that nobody needs."""

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import pymongo
import redis
from pymongo.errors import PyMongoError

from app.db.transitions.change import ABSENT
from app.domain.status import Status
from app.queue.q import QUEUE, Doorbell
from tests.chaos.faults import Event
from tests.chaos.judge import EVERYBODY
from tests.chaos.system import LEASE_S, System

STEP_S: Final = 0.25
IN_VAIN_S: Final = 0.4
STANDSTILL_S: Final = LEASE_S / 2
"""A machine that gives nobody time for so long freezes its workers, whoever is to blame."""


class Watch:
    """A few threads; stop them and read."""

    def __init__(self, system: System) -> None:
        self.idle: list[float] = []
        self.standstills: list[Event] = []
        self._system = system
        self._stop = threading.Event()
        jobs = (self._look_for_idle, self._look_at_the_clock, self._ring_in_vain)
        self._threads = [threading.Thread(target=job) for job in jobs]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _look_for_idle(self) -> None:
        mongo: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
            self._system.mongo.url, serverSelectionTimeoutMS=200, connectTimeoutMS=200, socketTimeoutMS=500
        )
        valkey = redis.Redis.from_url(self._system.valkey.url, socket_timeout=0.2, socket_connect_timeout=0.2)
        next_at = time.time()
        while not self._stop.wait(max(0.0, next_at - time.time())):
            next_at = max(next_at + STEP_S, time.time())
            if self._system.idle_workers() and _nothing_to_do(mongo, valkey):
                self.idle.append(time.time())
        mongo.close()
        valkey.close()

    def _look_at_the_clock(self) -> None:
        last = time.time()
        while not self._stop.wait(STEP_S):
            now = time.time()
            if now - last > STANDSTILL_S:
                self.standstills.append(Event("standstill", last, now, (EVERYBODY,)))
            last = now

    def _ring_in_vain(self) -> None:
        """The doorbell may ring at any time: here for documents that a worker waits for just now, paying."""
        bell = Doorbell(self._system.valkey.url)
        while not self._stop.wait(IN_VAIN_S):
            with suppress(PyMongoError):
                for record in self._system.files.find(_being_paid_for(), {"_id": 1}):
                    bell.ring(str(record["_id"]), first=True)
        bell.close()


def _nothing_to_do(mongo: "pymongo.MongoClient[dict[str, object]]", valkey: "redis.Redis") -> bool:
    """Whether both stores are up and no bell is in the queue."""
    try:
        mongo.admin.command("ping")
        return not valkey.llen(f"rq:queue:{QUEUE}")
    except (PyMongoError, redis.RedisError):
        return False


def _being_paid_for() -> dict[str, object]:
    """Records whose call has been under way for a moment: the slow ones."""
    since = datetime.now(UTC) - timedelta(seconds=IN_VAIN_S)
    call = {"ended_at": ABSENT, "at": {"$lte": since}}
    return {"status": str(Status.CONVERTED), "calls": {"$elemMatch": call}}
