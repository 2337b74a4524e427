"""The faults, one function each: it happens, it is noted, and what it took away comes back."""

import random
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import redis

from tests.chaos.plan import Drawn
from tests.chaos.system import LEASE_S, System, horse_of, send

PATIENCE_S: Final = 60.0
"""How long a fault waits for a target before it counts as never happened."""
SMALL_FILE: Final = 256
DEATHS: Final = frozenset({"worker_and_horse", "horse", "parent"})


@dataclass(frozen=True)
class Event:
    """A fault that happened, from `at` to `until` (seconds since the epoch), to these workers."""

    kind: str
    at: float
    until: float
    workers: tuple[str, ...] = ()


@dataclass
class FaultLog:
    """What was drawn and what happened."""

    drawn: Counter[str] = field(default_factory=Counter)
    events: list[Event] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def happened(self) -> Counter[str]:
        return Counter(event.kind for event in self.events)

    @property
    def missing(self) -> Counter[str]:
        return self.drawn - self.happened


class Faults:
    """Runs the drawn ones at their time, each in a thread of its own."""

    def __init__(self, system: System, disk_was_full: Callable[[], int]) -> None:
        self.log = FaultLog()
        self._system = system
        self._disk_was_full = disk_was_full
        self._valkey, self._mongo, self._disk = threading.Lock(), threading.Lock(), threading.Lock()

    def run(self, plan: list[Drawn]) -> None:
        """Returns when the last one is over."""
        start, threads = time.monotonic(), []
        for drawn in plan:
            time.sleep(max(0.0, start + drawn.at_s - time.monotonic()))
            self.log.drawn[drawn.kind] += 1
            thread = threading.Thread(target=self._one, args=(drawn,), name=drawn.kind)
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()

    def _one(self, drawn: Drawn) -> None:
        try:
            getattr(self, f"_{drawn.kind}")(random.Random(drawn.seed))
        except Exception as error:
            self.log.troubles.append(f"{drawn.kind}: {type(error).__name__}: {error}")

    def _note(self, kind: str, at: float, *workers: str) -> None:
        self.log.events.append(Event(kind, at, time.time(), workers))
        print(f"  {kind} {' '.join(workers)}", flush=True)

    # --- workers

    def _worker_and_horse(self, chance: random.Random) -> None:
        with self._system.taken("worker", chance, PATIENCE_S, working=True) as worker:
            at, life, horse = time.time(), self._system.life_of(worker), horse_of(worker.pid)
            worker.kill()
            send(horse, signal.SIGKILL)
            self._note("worker_and_horse", at, life)

    def _horse(self, chance: random.Random) -> None:
        with self._system.taken("worker", chance, PATIENCE_S, working=True) as worker:
            at = time.time()
            send(horse_of(worker.pid), signal.SIGKILL)
            self._note("horse", at, self._system.life_of(worker))

    def _parent(self, chance: random.Random) -> None:
        with self._system.taken("worker", chance, PATIENCE_S, working=True) as worker:
            at, life = time.time(), self._system.life_of(worker)
            worker.kill()
            self._note("parent", at, life)

    def _freeze(self, chance: random.Random) -> None:
        with self._system.taken("worker", chance, PATIENCE_S, working=True) as worker:
            at, horse = time.time(), horse_of(worker.pid)
            for pid in (worker.pid, horse):
                send(pid, signal.SIGSTOP)
            time.sleep(LEASE_S * 1.5)
            for pid in (horse, worker.pid):
                send(pid, signal.SIGCONT)
            self._note("freeze", at, self._system.life_of(worker))

    def _term(self, chance: random.Random) -> None:
        with self._system.taken("worker", chance, PATIENCE_S, working=False) as worker:
            at, life = time.time(), self._system.life_of(worker)
            worker.signal(signal.SIGTERM)
            if not worker.wait(PATIENCE_S):
                raise TimeoutError(f"{life} did not end after SIGTERM")
            self._note("term", at, life)

    # --- Valkey

    def _valkey_kill(self, chance: random.Random) -> None:
        with self._valkey:
            at = time.time()
            self._system.valkey.kill()
            time.sleep(chance.uniform(0.5, 3))
            self._system.valkey.start()
            self._note("valkey_kill", at)

    def _valkey_stop(self, chance: random.Random) -> None:
        with self._valkey:
            at = time.time()
            self._system.valkey.stop()
            time.sleep(chance.uniform(2, 5))
            self._system.valkey.start()
            self._note("valkey_stop", at)

    def _valkey_hang(self, chance: random.Random) -> None:
        with self._valkey:
            at = time.time()
            send(self._system.valkey.pid, signal.SIGSTOP)
            time.sleep(chance.uniform(3, 6))
            send(self._system.valkey.pid, signal.SIGCONT)
            self._note("valkey_hang", at)

    def _valkey_flush(self, _: random.Random) -> None:
        with self._valkey, redis.Redis.from_url(self._system.valkey.url) as client:
            at = time.time()
            client.flushall()
            self._note("valkey_flush", at)

    # --- the rest

    def _api_kill(self, chance: random.Random) -> None:
        with self._system.taken("api", chance, PATIENCE_S, working=False) as api:
            at = time.time()
            api.kill()
            self._note("api_kill", at)

    def _mongo_kill(self, chance: random.Random) -> None:
        with self._mongo:
            at = time.time()
            self._system.mongo.kill()
            time.sleep(chance.uniform(0.2, 1.5))
            self._system.mongo.start()
            self._note("mongo_kill", at)

    def _disk_full(self, chance: random.Random) -> None:
        """No quota needs fewer rights than this one: the processes may write no file above a few bytes.

        They get EFBIG in the middle of a file, where a full disk would say ENOSPC.
        """
        with self._disk:
            at, before = time.time(), self._disk_was_full()
            with self._limited():
                deadline = time.monotonic() + PATIENCE_S
                while self._disk_was_full() == before:  # an upload was refused for it
                    if time.monotonic() > deadline:
                        raise TimeoutError("no upload met the full disk")
                    time.sleep(0.05)
                time.sleep(chance.uniform(0.5, 2))
            self._note("disk_full", at)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Work-horses inherit the limit from their parents, and are freed of it after them."""
        children = [child for child in (*self._system.apis, *self._system.workers) if child.running]
        for child in children:
            _limit(child.pid, SMALL_FILE)
        try:
            yield
        finally:
            for child in children:
                if child.running:
                    _limit(child.pid, None)
                    _limit(horse_of(child.pid), None)


def _limit(pid: int | None, size: int | None) -> None:
    """Bound the files that a process may write; None takes the bound away again."""
    if pid is None:
        return
    with suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))
