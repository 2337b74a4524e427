"""Beside the faults: when a worker was idle, when this machine stood still, and bells that nobody needs."""

import threading
import time
from contextlib import suppress
from typing import Final

import pymongo
import redis
from pymongo.errors import PyMongoError

from app.db.transitions.change import ABSENT
from app.queue.q import QUEUE, Doorbell
from tests.chaos.faults import Event
from tests.chaos.judge import EVERYBODY
from tests.chaos.system import LEASE_S, System

STEP_S: Final = 0.25
IN_VAIN_S: Final = 0.7
BEING_PAID_FOR: Final = {"status": "conversion complete", "calls": {"$elemMatch": {"ended_at": ABSENT}}}
STANDSTILL_S: Final = LEASE_S / 2
"""A machine that gives nobody time for so long freezes its workers, whoever is to blame."""


class Watch:
    """A few threads; stop them and read."""

    def __init__(self, system: System) -> None:
        self.idle: list[float] = []
        self.standstills: list[Event] = []
        self._system = system
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=one) for one in (self._look_for_idle, self._look_at_the_clock)
        ]

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
        """The doorbell may ring at any time: here for documents that a worker is paying for just now."""
        bell = Doorbell(self._system.valkey.url)
        while not self._stop.wait(IN_VAIN_S):
            with suppress(PyMongoError):
                record = self._system.files.find_one(BEING_PAID_FOR, {"_id": 1})
                if record is not None:
                    bell.ring(str(record["_id"]), first=True)
        bell.close()


def _nothing_to_do(mongo: "pymongo.MongoClient[dict[str, object]]", valkey: "redis.Redis") -> bool:
    """Whether both stores are up and no bell is in the queue."""
    try:
        mongo.admin.command("ping")
        return not valkey.llen(f"rq:queue:{QUEUE}")
    except (PyMongoError, redis.RedisError):
        return False
