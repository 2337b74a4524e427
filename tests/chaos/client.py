"""Clients that upload all the time, each document with its own Idempotency-Key, until it is accepted."""

import random
import threading
import time
from collections import Counter
from typing import Final

import httpx
from pymongo.errors import PyMongoError

from tests.chaos.documents import document, prompt_for
from tests.chaos.system import System

CLIENTS: Final = 2
PAUSE_S: Final = 0.55
"""Between two documents of a client: about as much as the workers can take."""
BACKLOG: Final = 60
"""Where the machine is slow: no more than the workers can end in reasonable time."""
GIVE_UP_S: Final = 60.0


class Uploads:
    """What was accepted, by document number; `answers` counts every answer, `full` those of a full disk."""

    def __init__(self, system: System, seed: int) -> None:
        self.accepted: dict[int, str] = {}
        self.answers: Counter[str] = Counter()
        self.contradictions: list[str] = []
        self._system = system
        self._seed = seed
        self._next = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(n,)) for n in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No new documents; those under way are sent until they are accepted."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def full(self) -> int:
        return self.answers["storage_full"]

    def _client(self, index: int) -> None:
        chance = random.Random(f"{self._seed} client {index}")
        with httpx.Client(timeout=20, trust_env=False) as http:
            while not self._stop.is_set():
                if self._backlog() >= BACKLOG:
                    self._stop.wait(PAUSE_S)
                    continue
                with self._lock:
                    number, self._next = self._next, self._next + 1
                file_id = self._insist(http, number, chance)
                if file_id is not None:
                    self._accepted(http, number, file_id, chance)
                self._stop.wait(PAUSE_S * chance.uniform(0.5, 1.5))

    def _accepted(self, http: httpx.Client, number: int, file_id: str, chance: random.Random) -> None:
        """Now and then the same upload is sent again."""
        with self._lock:
            self.accepted[number] = file_id
        if chance.random() < 0.1:
            again = self._insist(http, number, chance)
            if again not in (None, file_id):
                self.contradictions.append(f"document {number} is {file_id} and {again}")

    def _backlog(self) -> int:
        """How many documents have not ended; none that we know of while MongoDB is away."""
        try:
            return self._system.open_documents()
        except PyMongoError:
            return 0

    def _insist(self, http: httpx.Client, number: int, chance: random.Random) -> str | None:
        """Upload until it is accepted, at one API or the other."""
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            file_id = self._try(http, number, chance)
            if file_id is not None:
                return file_id
            time.sleep(chance.uniform(0.1, 0.4))
        return None

    def _try(self, http: httpx.Client, number: int, chance: random.Random) -> str | None:
        try:
            answer = http.post(
                f"{chance.choice(self._system.urls)}/upload",
                files={"file": (f"document-{number}.pdf", document(self._seed, number))},
                data={"prompt": prompt_for(number)},
                headers={"Idempotency-Key": f'"chaos-{self._seed}-{number}"'},
            )
        except httpx.HTTPError as error:
            self._count(type(error).__name__)
            return None
        if answer.status_code == 202:
            self._count("202")
            return str(answer.json()["file_id"])
        code = _code_of(answer)
        self._count(code)
        if answer.status_code < 500 and answer.status_code not in (409, 429):
            self.contradictions.append(f"a good upload was refused: {answer.status_code} {code}")
        return None

    def _count(self, what: str) -> None:
        with self._lock:
            self.answers[what] += 1


def _code_of(answer: httpx.Response) -> str:
    """The problem's code; the status where the answer is none of ours."""
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)
