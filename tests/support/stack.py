"""The whole service as real processes on free ports, for e2e tests: what `./run.sh` starts.

    with Stack(tmp_path, {"LEASE_S": "2"}) as stack:
        file_id = stack.upload(pdf)
        stack.wait(file_id, "api call done")

Nothing is started again by itself: a test that kills a process says when it comes back.
"""

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import pymongo
from bson import ObjectId

from app.config import environment
from app.domain.status import TERMINAL
from app.launch.child import Child
from app.launch.service import Service

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 90.0
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "TESSDATA_PREFIX")


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without any setting of the service or key of the user."""
    return {name: value for name, value in environment().items() if name in INHERITED} | more


class Stack:
    """API, worker pool, maintenance, embedded stores under `folder`; `settings` are environment variables."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str] | None = None, *, workers: int = 1, root: Path = ROOT
    ) -> None:
        self.database = f"test_{secrets.token_hex(6)}"
        env = clean_environment(
            PORT="0", MONGO_DB=self.database, WORKERS=str(workers), RECONCILE_EVERY_S="0.5"
        )
        self.service = Service(root, folder / "data", env | dict(settings or {}))
        self.folder = folder
        self._more: list[Child] = []
        self._mongo: pymongo.MongoClient[dict[str, Any]] | None = None

    def __enter__(self) -> Self:
        try:
            self.service.start(lambda: False)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop all, then print the logs' ends: pytest shows them where the test failed."""
        if self._mongo is not None:
            self._mongo.close()
        for child in self._more:
            child.stop()
        self.service.stop()
        for name, child in self.processes.items():
            print(f"----- {name}: {child.log}\n{child.tail(60)}")

    # --- what a client sees

    @property
    def url(self) -> str:
        return self.service.url

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def upload(self, content: bytes, name: str = "resume.pdf", **headers: str) -> str:
        """Post a document; the file_id. Any other answer than 202 fails the test."""
        with self.client() as client:
            answer = client.post("/upload", files={"file": (name, content)}, headers=headers)
        assert answer.status_code == 202, (answer.status_code, answer.text)
        return str(answer.json()["file_id"])

    def get(self, file_id: str) -> dict[str, Any]:
        with self.client() as client:
            answer = client.get(f"/{file_id}")
        assert answer.status_code == 200, (answer.status_code, answer.text)
        record: dict[str, Any] = answer.json()
        return record

    def wait(self, file_id: str, *statuses: str, timeout: float = PATIENCE_S) -> dict[str, Any]:
        """Ask until the document has one of `statuses` (none: any terminal one); the record a client sees."""
        wanted = set(statuses) or {str(status) for status in TERMINAL}
        deadline = time.monotonic() + timeout
        while True:
            record = self.get(file_id)
            if record["status"] in wanted:
                return record
            ended = record["status"] in TERMINAL
            assert not ended, f"ended as {record['status']}, waited for {wanted}: {record.get('error')}"
            assert time.monotonic() < deadline, f"still {record['status']} after {timeout:.0f} s: {record}"
            time.sleep(0.05)

    # --- what is behind it

    @property
    def mongo_url(self) -> str:
        return self.service.stores.urls["MONGO_URL"]

    @property
    def valkey_url(self) -> str:
        return self.service.stores.urls["VALKEY_URL"]

    @property
    def files(self) -> "pymongo.collection.Collection[dict[str, Any]]":
        """The collection of records."""
        if self._mongo is None:
            self._mongo = pymongo.MongoClient(self.mongo_url)
        return self._mongo[self.database]["files"]

    def record(self, file_id: str) -> dict[str, Any]:
        """The record as it is in MongoDB."""
        record = self.files.find_one({"_id": ObjectId(file_id)})
        assert record is not None, f"no record {file_id}"
        return record

    # --- its processes

    @property
    def processes(self) -> dict[str, Child]:
        """By name: valkey, mongo, api, worker, maintenance, and those that were added."""
        return {child.name: child for child in [*self.service.children, *self._more]}

    def kill(self, name: str) -> None:
        """kill -9 of one process; its children (workers of a pool, their work-horses) stay."""
        self.processes[name].kill()

    def restart(self, name: str) -> None:
        """Start a dead or stopped process again, on the same port and data; does not wait for it."""
        self.processes[name].stop()
        self.processes[name].start()

    def until_ready(self, timeout: float = PATIENCE_S) -> None:
        """Until `/health/ready` says so, as a load balancer would ask."""
        deadline = time.monotonic() + timeout
        while not self._is_ready():
            assert time.monotonic() < deadline, f"not ready after {timeout:.0f} s"
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            with self.client() as client:
                return client.get("/health/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def run(self, name: str, argv: list[str], **settings: str) -> Child:
        """Start one more process in the service's environment, as in a second terminal."""
        env = (self.processes["api"].env or {}) | settings
        child = Child(name, argv, log=self.service.data / "logs" / f"{name}.log", env=env, cwd=self.folder)
        self._more.append(child)
        child.start()
        return child
