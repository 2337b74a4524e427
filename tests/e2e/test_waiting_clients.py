"""Twenty clients listen at one API process; it is killed; all go on at the other and miss nothing."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from app.embedded import free_port
from tests.support.stack import PATIENCE_S, Stack

CLIENTS = 20
DOCUMENTS = 4
PDF = b"%PDF-1.4\nnobody works on it: there is no worker\n"


class Listener(threading.Thread):
    """One client: goes on at the next address when a stream breaks, after the event it read last."""

    def __init__(self, urls: list[str], file_id: str) -> None:
        super().__init__(daemon=True)
        self.ids: list[int] = []
        self.statuses: list[str] = []
        self.connections = 0
        self.file_id = file_id
        self._urls = urls

    def run(self) -> None:
        deadline, turn = time.monotonic() + PATIENCE_S, 0
        while not self.ended and time.monotonic() < deadline:
            try:
                self._listen(self._urls[turn % len(self._urls)])
            except httpx.HTTPError:
                turn += 1

    @property
    def ended(self) -> bool:
        return bool(self.statuses) and self.statuses[-1] == "cancelled"

    def _listen(self, url: str) -> None:
        headers = {"last-event-id": str(self.ids[-1])} if self.ids else {}
        address = f"{url}/{self.file_id}/events"
        with httpx.stream("GET", address, headers=headers, timeout=PATIENCE_S, trust_env=False) as response:
            assert response.status_code == 200, response.status_code
            self.connections += 1
            number = -1
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "data":
                    self.ids.append(number)
                    self.statuses.append(json.loads(value)["status"])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("waiting"), workers=0) as started:
        yield started


def until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=PATIENCE_S, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_clients_of_a_killed_api_go_on_at_the_other_and_miss_nothing(stack: Stack) -> None:
    port = free_port()
    other = f"http://127.0.0.1:{port}"
    stack.run("api-2", [sys.executable, "-m", "app.main"], PORT=str(port))
    until(lambda: answers(other), "the second API process is ready")
    documents = [stack.upload(PDF) for _ in range(DOCUMENTS)]
    listeners = [Listener([stack.url, other], documents[n % DOCUMENTS]) for n in range(CLIENTS)]
    for listener in listeners:
        listener.start()
    until(lambda: all(one.statuses == ["queued"] for one in listeners), "everybody has heard the first state")

    stack.kill("api")
    # Some documents end while their clients may not be back yet, the others when all are.
    ended_early, ended_late = documents[:2], documents[2:]
    for file_id in ended_early:
        assert httpx.post(f"{other}/{file_id}/cancel", trust_env=False, timeout=60).status_code == 200
    until(lambda: all(one.connections == 2 for one in listeners), "everybody listens again")
    for file_id in ended_late:
        assert httpx.post(f"{other}/{file_id}/cancel", trust_env=False, timeout=60).status_code == 200

    until(lambda: all(one.ended for one in listeners), "everybody knows the end")
    for listener in listeners:
        assert listener.statuses == ["queued", "cancelled"], (
            "each state once: nothing missed, nothing repeated"
        )
        assert listener.ids[-1] == stack.record(listener.file_id)["revision"]
