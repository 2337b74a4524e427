"""Valkey refuses, then hangs, while uploads go on: none is answered 5xx, all are worked on afterwards."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Self

import pytest

from tests.chaos.documents import document
from tests.support.stack import Stack

AWAY_S = 6.0
"""Longer than a breaker skips Valkey: it is asked again while it is away."""
CLIENTS = 3
BREATH_S = 0.5


class Uploading:
    """Clients that upload all the time; `answers` counts what they were told."""

    def __init__(self, stack: Stack, round_: int) -> None:
        self.answers: Counter[int] = Counter()
        self.file_ids: list[str] = []
        self._stack = stack
        self._round = round_
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client_number: int) -> None:
        number = 0
        with self._stack.client() as client:
            while not self._ended.wait(BREATH_S):
                number += 1
                content = document(self._round * CLIENTS + client_number, number)
                answer = client.post("/upload", files={"file": ("a.pdf", content)})
                self.answers[answer.status_code] += 1
                if answer.status_code == 202:
                    self.file_ids.append(answer.json()["file_id"])


@contextmanager
def refusing(stack: Stack) -> Iterator[None]:
    stack.kill("valkey")
    try:
        yield
    finally:
        stack.restart("valkey")


@contextmanager
def hanging(stack: Stack) -> Iterator[None]:
    valkey = stack.processes["valkey"]
    valkey.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        valkey.signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("outage"), {"READER": "local"}, workers=2) as started:
        yield started


@pytest.mark.parametrize(("round_", "outage"), [(1, refusing), (2, hanging)])
def test_uploads_go_on_without_the_doorbell_and_are_worked_on_once_it_is_back(
    stack: Stack, round_: int, outage: Callable[[Stack], AbstractContextManager[None]]
) -> None:
    with Uploading(stack, round_) as uploads, outage(stack):
        time.sleep(AWAY_S)
    assert set(uploads.answers) == {202}, uploads.answers
    for file_id in uploads.file_ids:
        stack.wait(file_id, "api call done")
