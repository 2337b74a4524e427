"""kill -9, each in the middle of 20 documents: all end well; twice is paid only what a death lost."""

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import psutil
import pytest
from bson import ObjectId

from tests.chaos.documents import document
from tests.support.llmock import ModelServer, model_server
from tests.support.stack import Stack

DOCUMENTS = 20
PATIENCE_S = 120.0
MODEL_S = 0.5
UPLOAD_EVERY_S = 0.3
"""Slower than the workers can be, so that a kill finds uploads under way as well."""
ROUNDS = itertools.count()
WORKER = [sys.executable, "-m", "rq.cli", "worker", "--with-scheduler"]
OPEN_INTENT = {"status": "conversion complete", "calls": {"$elemMatch": {"ended_at": {"$exists": False}}}}


def eventually(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (seen := look()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)
    return seen


class Drill:
    """A service with two workers on a slow model, and 20 documents on their way."""

    def __init__(self, stack: Stack, model: ModelServer, round_: int) -> None:
        self.stack, self.model, self.round = stack, model, round_
        self.file_ids: list[str] = []
        self._uploading = threading.Thread(target=self._upload_all)

    def begin(self) -> None:
        """Returns in the middle: some documents have ended, most have not."""
        self._uploading.start()
        eventually(lambda: self.done() >= 3, "three documents are done")
        assert self.done() < DOCUMENTS - 5

    def _upload_all(self) -> None:
        for number in range(DOCUMENTS):
            self.file_ids.append(self._upload(number))
            time.sleep(UPLOAD_EVERY_S)

    def _upload(self, number: int) -> str:
        """As a client should: the same key until it is accepted."""
        deadline, key = time.monotonic() + PATIENCE_S, f"drill-{self.round}-{number}"
        while time.monotonic() < deadline:
            try:
                return self.stack.upload(document(self.round, number), **{"Idempotency-Key": key})
            except (AssertionError, httpx.HTTPError):
                time.sleep(0.2)
        raise TimeoutError(f"document {number} was never accepted")

    def records(self) -> list[dict[str, Any]]:
        """Asked of MongoDB itself."""
        return list(self.stack.files.find({"_id": {"$in": [ObjectId(one) for one in self.file_ids]}}))

    def done(self) -> int:
        return sum(record["status"] == "api call done" for record in self.records())

    def working_horse(self) -> psutil.Process:
        """A work-horse that waits for a paid answer."""
        return eventually(self._working_horse, "a call is under way")

    def _working_horse(self) -> psutil.Process | None:
        record = self.stack.files.find_one(OPEN_INTENT)
        try:
            return psutil.Process(record["lease"]["pid"]) if record else None
        except psutil.NoSuchProcess:
            return None

    def all_end_well(self, deaths: int) -> None:
        """`deaths` of workers, each of which may have cost one answer that was paid and not saved."""
        self._uploading.join(PATIENCE_S)
        assert len(set(self.file_ids)) == DOCUMENTS, "one record for one document"
        eventually(lambda: self.done() == DOCUMENTS, "all documents are done")
        unsaved = sum("ended_at" not in call for record in self.records() for call in record["calls"])
        assert unsaved <= deaths
        assert DOCUMENTS <= self.model.paid_calls() <= DOCUMENTS + unsaved


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


@pytest.fixture(scope="module")
def stack(model: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {"OPENAI_BASE_URL": model.base_url, "LEASE_S": "8", "PAGE_BOX": "200x200"}
    with Stack(tmp_path_factory.mktemp("drills"), settings, workers=0) as started:
        for _ in range(2):
            new_worker(started)
        yield started


@pytest.fixture
def drill(stack: Stack, model: ModelServer) -> Drill:
    model.reset()
    model.is_slow(MODEL_S)
    return Drill(stack, model, next(ROUNDS))


def new_worker(stack: Stack) -> None:
    stack.run(f"worker-{len(stack.processes)}", WORKER)


def test_work_horses_killed(drill: Drill) -> None:
    drill.begin()
    for _ in range(3):
        horse = drill.working_horse()
        with suppress(psutil.NoSuchProcess):  # it may just have ended by itself
            horse.kill()
        eventually(lambda dead=horse: not dead.is_running(), "it is gone")
    drill.all_end_well(deaths=3)


def test_a_worker_killed_with_its_work_horse(drill: Drill) -> None:
    drill.begin()
    horse = drill.working_horse()
    parent = horse.parent()
    assert parent is not None
    parent.kill()
    with suppress(psutil.NoSuchProcess):
        horse.kill()
    new_worker(drill.stack)
    drill.all_end_well(deaths=1)


def test_a_worker_killed_without_its_work_horse(drill: Drill) -> None:
    """The orphan ends its document by itself."""
    drill.begin()
    parent = drill.working_horse().parent()
    assert parent is not None
    parent.kill()
    new_worker(drill.stack)
    drill.all_end_well(deaths=0)


def test_the_api_killed(drill: Drill) -> None:
    drill.begin()
    drill.stack.kill("api")
    drill.stack.restart("api")
    drill.all_end_well(deaths=0)


def test_valkey_killed_and_its_data_wiped(drill: Drill) -> None:
    drill.begin()
    valkey = drill.stack.service.stores.embedded["VALKEY_URL"]
    valkey.kill()
    valkey.wipe()
    valkey.start()
    drill.all_end_well(deaths=0)


def test_mongodb_killed(drill: Drill) -> None:
    drill.begin()
    mongo = drill.stack.service.stores.embedded["MONGO_URL"]
    mongo.kill()
    mongo.start()
    drill.all_end_well(deaths=0)
