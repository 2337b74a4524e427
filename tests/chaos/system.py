"""The system under fire: APIs, forking workers, stores, a model server; what dies is started again."""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import httpx
import psutil
import pymongo

from app.config import environment
from app.domain.status import TERMINAL
from app.embedded import EmbeddedMongo, EmbeddedValkey, free_port
from app.launch.child import Child
from app.launch.environment import RQ_CLASSES, python_environment
from app.launch.guardian import Guardian
from tests.chaos.mutants import WORKER_CLASSES

ROOT: Final = Path(__file__).resolve().parents[2]
LEASE_S: Final = 6
CALL_TIMEOUT_S: Final = 8
APIS: Final = 2
WORKERS: Final = 3
READY_S: Final = 90
KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
SETTINGS: Final = {
    "MONGO_DB": "test_chaos",
    "LEASE_S": str(LEASE_S),
    "MAX_ATTEMPTS": "50",
    "OPENAI_MODEL": "chaos-model",
    "OPENAI_TIMEOUT_S": str(CALL_TIMEOUT_S),
    "JOB_TIMEOUT_S": "60",
    "SHUTDOWN_GRACE_S": "10",
    "PAGE_BOX": "200x200",
}


class System:
    """Start it as a context manager; whatever happens, nothing is left running."""

    def __init__(self, folder: Path, seed: int, mutant: str | None = None) -> None:
        self.folder = folder
        self.model_log = folder / "model.jsonl"
        self.valkey = EmbeddedValkey(folder / "valkey", persistent=False, die_with_parent=False)
        self.mongo = EmbeddedMongo(folder / "mongo", die_with_parent=False)
        self.deaths: list[tuple[float, str]] = []
        self._seed = seed
        self._mutant = mutant
        self._ended = threading.Event()
        self._lock = threading.RLock()
        self._taken: set[str] = set()
        self._lives: dict[str, int] = {}
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    # --- start and end

    def __enter__(self) -> Self:
        self._guardian = Guardian()
        try:
            for server in (self.valkey, self.mongo):
                server.start()
            self._make_children()
            for child in (self.model, *self.apis, *self.workers):
                self._start(child)
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        for child in getattr(self, "_children", []):
            child.signal(signal.SIGCONT)
        for child in getattr(self, "_children", []):
            child.stop(grace=5)
        for server in (self.valkey, self.mongo):
            server.stop()
        self._guardian.dismiss()

    def _make_children(self) -> None:
        python, logs = [sys.executable, "-m"], self.folder / "logs"
        self.model_port = free_port()
        ports = [free_port() for _ in range(APIS)]
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        env = self._environment()
        api = "tests.chaos.mutants" if self._mutant == "no-reconciler" else "app.main"
        model = ["tests.chaos.model_server", str(self.model_port), str(self._seed), str(self.model_log)]
        self.model = Child("model", [*python, *model], log=logs / "model.log", env=env, cwd=ROOT)
        self.apis = [
            Child(
                f"api-{n}", [*python, api], log=logs / f"api-{n}.log", env=env | {"PORT": str(port)}, cwd=ROOT
            )
            for n, port in enumerate(ports, start=1)
        ]
        worker = [*python, "rq.cli", "worker", "--with-scheduler"]
        self.workers = [
            Child(f"worker-{n}", worker, log=logs / f"worker-{n}.log", env=env, cwd=ROOT)
            for n in range(1, WORKERS + 1)
        ]
        self._children = [self.model, *self.apis, *self.workers]

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in environment().items() if name in KEPT}
        stores = {
            "MONGO_URL": self.mongo.url,
            "VALKEY_URL": self.valkey.url,
            "RQ_REDIS_URL": self.valkey.url,
            "STORAGE_URL": str(self.folder / "files"),
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self.model_port}/v1",
        }
        mutant = {"RQ_WORKER_CLASS": WORKER_CLASSES[self._mutant]} if self._mutant in WORKER_CLASSES else {}
        return inherited | python_environment(ROOT) | RQ_CLASSES | SETTINGS | stores | mutant

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        for url in self.urls:
            while not _answers(f"{url}/health/ready"):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{url} did not become ready:\n{self.apis[0].tail()}")
                time.sleep(0.1)

    # --- who lives

    def _start(self, child: Child) -> None:
        """With a new name for each of a worker's lives: records and faults then speak of the same one."""
        life = self._lives[child.name] = self._lives.get(child.name, 0) + 1
        if child in self.workers:
            child.argv = [*child.argv[:4], "--with-scheduler", "--name", f"{child.name}.{life}"]
        child.start()
        self._guardian.watch([[pid for one in self._children for pid in one.lives], self._stores()])

    def _stores(self) -> list[int]:
        return [pid for server in (self.valkey, self.mongo) for pid in server.child.lives]

    def _supervise(self) -> None:
        """Start again what died, a moment later."""
        while not self._ended.wait(0.1):
            for child in self._children:
                if not child.running:
                    self.deaths.append((time.time(), f"{child.name} ({child.returncode})"))
                    self._ended.wait(0.3)
                    self._start(child)

    def life_of(self, child: Child) -> str:
        """The name under which this life of a worker claims documents."""
        return f"{child.name}.{self._lives[child.name]}"

    # --- for the faults

    @contextmanager
    def taken(self, kind: str, chance: random.Random, patience_s: float, *, working: bool) -> Iterator[Child]:
        """One living "worker" or "api" that no other fault is at; `working`: one with a work-horse."""
        deadline = time.monotonic() + patience_s
        while (child := self._take(kind, chance, working)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {kind} to be had in {patience_s:.0f} s")
            time.sleep(0.01)
        try:
            yield child
        finally:
            with self._lock:
                self._taken.discard(child.name)

    def _take(self, kind: str, chance: random.Random, working: bool) -> Child | None:
        with self._lock:
            children = [c for c in (self.workers if kind == "worker" else self.apis) if c.running]
            chance.shuffle(children)
            for child in children:
                if child.name not in self._taken and (not working or horse_of(child.pid)):
                    self._taken.add(child.name)
                    return child
        return None

    def idle_workers(self) -> int:
        """How many could take a document now."""
        with self._lock:
            free = [child for child in self.workers if child.name not in self._taken and child.running]
        return sum(1 for child in free if horse_of(child.pid) is None)

    def clean_up_after_faults(self) -> None:
        """Nothing stays frozen or limited."""
        for child in self._children:
            child.signal(signal.SIGCONT)

    # --- what is known

    @cached_property
    def files(self) -> "pymongo.collection.Collection[dict[str, Any]]":
        """The records; asked from outside, never waiting long."""
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            self.mongo.url, tz_aware=True, serverSelectionTimeoutMS=1000, socketTimeoutMS=10_000
        )
        return client["test_chaos"]["files"]

    def open_documents(self) -> int:
        """How many have not ended; raises PyMongoError while MongoDB is away."""
        return self.files.count_documents({"status": {"$nin": sorted(map(str, TERMINAL))}})

    def model_is_busy(self) -> bool:
        answer = httpx.get(f"http://127.0.0.1:{self.model_port}/", timeout=30, trust_env=False)
        return bool(answer.json()["busy"])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def horse_of(worker: int) -> int | None:
    """The process that a worker forked for a document, if there is one now."""
    with suppress(psutil.Error):
        for child in psutil.Process(worker).children():
            with suppress(psutil.Error):
                if "rq.cli" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                    return child.pid
    return None


def send(pid: int | None, number: int) -> None:
    """A signal to a process that may have ended meanwhile."""
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
