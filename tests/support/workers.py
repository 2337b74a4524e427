"""Real forked workers in tests: RQ's stock commands as processes, with the service's environment.

    def test_x(service: Service) -> None:
        worker = service.worker()                  # rq worker --with-scheduler --url …
        file_id = service.upload(RESUME)           # stored and queued, as the API would leave it
        service.ring(file_id)
        record = service.wait_for(file_id, "api call done")

Everything that was started is stopped at the end of the test, and a worker's log is shown when it fails.
"""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from bson import ObjectId

from app.queue.expiry import expire
from app.queue.q import Doorbell
from app.storage.open import claim_storage, open_storage
from tests.support.records import Records

ROOT = Path(__file__).parents[2]
RESUME = ROOT / "examples" / "resume.pdf"
REPORT = ROOT / "examples" / "report-10-pages.pdf"
PATIENCE_S = 60.0
RQ_CLASSES = {
    "RQ_WORKER_CLASS": "app.queue.workers.FullRagWorker",
    "RQ_QUEUE_CLASS": "app.queue.workers.FullRagQueue",
    "RQ_JOB_CLASS": "app.queue.workers.AllowListJob",
    "RQ_CONNECTION_CLASS": "app.queue.workers.PatientConnection",
}
T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
    """What `look` answers as soon as it is something true; fails after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"never happened: {what}", pytrace=False)
        time.sleep(0.02)


class Worker:
    """One of RQ's commands, running."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rq.cli", *arguments],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def says(self, word: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until its log has `word`."""
        eventually(lambda: word in self.text(), f"{word!r} in the log:\n{self.text()[-3000:]}", patience_s)

    def family(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        return []

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def exits(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for its end; the exit code."""
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the worker did not end; its log:\n{self.text()[-3000:]}", pytrace=False)

    def end(self) -> None:
        """Kill it and all that came from it."""
        left = self.family()
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait(PATIENCE_S)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; a zombie does not."""
    left = []
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            if one.status() != psutil.STATUS_ZOMBIE:
                left.append(one)
    return left


class Service:
    """The stores of one test, and what the API would do with them."""

    def __init__(self, mongo_url: str, mongo_db: str, valkey_url: str, folder: Path) -> None:
        self.folder = folder
        self.storage = open_storage(str(folder / "files"))
        self.records = Records(mongo_url, mongo_db)
        self.bell = Doorbell(valkey_url)
        self.workers: list[Worker] = []
        self.env = {
            "PATH": os.environ["PATH"],
            "MONGO_URL": mongo_url,
            "MONGO_DB": mongo_db,
            "VALKEY_URL": valkey_url,
            "STORAGE_URL": str(folder / "files"),
            "READER": "local",
            **RQ_CLASSES,
        }
        self._claim_storage()

    def _claim_storage(self) -> None:
        async def belongs(own: str) -> str:
            self.records.database["meta"].insert_one({"_id": "storage", "storage_id": own})
            return own

        asyncio.run(claim_storage(self.storage, belongs))

    def command(self, *arguments: str, **env: str) -> Worker:
        """One of RQ's commands; `env` beside the service's own variables."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        worker = Worker(list(arguments), self.env | env, log)
        self.workers.append(worker)
        return worker

    def worker(self, **env: str) -> Worker:
        """`rq worker --with-scheduler --url …`, ready for work."""
        worker = self.command("worker", "--with-scheduler", "--url", self.env["VALKEY_URL"], **env)
        worker.says("worker_started")
        return worker

    def pool(self, workers: int, **env: str) -> Worker:
        """`rq worker-pool -n … --url …`, all of its workers ready."""
        url = self.env["VALKEY_URL"]
        pool = self.command("worker-pool", "-n", str(workers), "--url", url, **env)
        eventually(
            lambda: pool.text().count("worker_started") >= workers, f"{workers} workers:\n{pool.text()}"
        )
        return pool

    def upload(self, content: Path | bytes = RESUME, **fields: Any) -> ObjectId:
        """Stored and queued, no bell rung."""
        data = content if isinstance(content, bytes) else content.read_bytes()
        fields.setdefault("sha256", hashlib.sha256(data).hexdigest())
        file_id = self.records.queued(**fields)
        self.storage.put(self.records.get(file_id)["blob"], data)
        return file_id

    def ring(self, file_id: ObjectId) -> None:
        assert self.bell.ring(str(file_id))

    def submit(self, content: Path | bytes = RESUME, **fields: Any) -> ObjectId:
        """`upload` and `ring`."""
        file_id = self.upload(content, **fields)
        self.ring(file_id)
        return file_id

    def wait_for(self, file_id: ObjectId, status: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The record, once it has that status."""
        eventually(
            lambda: self.records.status(file_id) == status,
            f"{status!r}; the record: {self._short(file_id)}\n{self._logs()}",
            patience_s,
        )
        return self.records.get(file_id)

    def _short(self, file_id: ObjectId) -> dict[str, Any]:
        wanted = ("status", "error", "attempts", "lease", "waiting_for", "next_try_at")
        return {name: self.records.get(file_id).get(name) for name in wanted}

    def _logs(self) -> str:
        return "\n".join(f"--- {one.log.name}\n{one.text()[-3000:]}" for one in self.workers)

    def horse(self, file_id: ObjectId) -> int:
        """The process that holds the record."""
        return int(
            eventually(lambda: self.records.get(file_id).get("lease", {}).get("pid"), "a claim of the record")
        )

    def runs(self, pid: int) -> bool:
        return psutil.pid_exists(pid) and bool(alive([psutil.Process(pid)]))

    def free(self, file_id: ObjectId) -> None:
        """Back to the queue, as the reconciler does with a lease that has run out."""
        token = self.records.get(file_id)["lease"]["token"]
        ended = self.records.work.free_killed(file_id, token)
        assert ended is not None
        assert self.records.work.apply(expire(self.records.get(file_id), ended, max_attempts=100))

    def use_valkey(self, url: str) -> None:
        """A Valkey of the test's own, which it may stop."""
        self.bell.close()
        self.bell = Doorbell(url)
        self.env["VALKEY_URL"] = url

    def use_mongo(self, url: str) -> None:
        """A database of the test's own, which it may stop."""
        self.records.__exit__()
        self.records = Records(url, self.env["MONGO_DB"])
        self.env["MONGO_URL"] = url
        self._claim_storage()

    def leave_mongo(self) -> None:
        """Before that database is stopped for good."""
        for worker in self.workers:
            worker.end()

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self.bell.close()
        self.records.__exit__()


@pytest.fixture
def service(mongo_url: str, mongo_db: str, valkey_url: str, tmp_path: Path) -> Iterator[Service]:
    one = Service(mongo_url, mongo_db, valkey_url, tmp_path)
    yield one
    one.close()
