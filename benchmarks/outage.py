"""Uploads while Valkey refuses, and while it hangs: how long each takes, what is answered, what is left."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pymongo

from app.launch.child import Child
from app.launch.service import Service
from benchmarks.documents import BOUNDARY, form
from benchmarks.figures import Aim, Section, Table, number, percentile
from benchmarks.processes import child_of, service
from tests.chaos.documents import document

AWAY_S = 30.0
CLIENTS = 4
BREATH_S = 0.25
WORKERS = 2
PATIENCE_S = 600.0
DATABASE = "bench_outage"
ENDED = ("api call done", "failed", "cancelled")


def measure(folder: Path, quick: bool) -> Section:
    """`quick`: six seconds of each."""
    away_s = 6.0 if quick else AWAY_S
    settings = {"READER": "local", "MONGO_DB": DATABASE}
    rows, aims = [], []
    with service(folder / "service", settings, workers=WORKERS) as running:
        for turn, (label, begin, end) in enumerate(_phases(child_of(running, "valkey"))):
            begin()
            uploads = Uploads(running.url, turn)
            uploads.run(away_s)
            end()
            began = time.monotonic()
            done = _done(running, len(uploads.accepted))
            rows.append(_row(label, uploads, done, time.monotonic() - began))
            if begin is not _nothing:
                aims += _aims(label, uploads, done)
    header = ["Valkey", "uploads", "p50 ms", "p99 ms", "longest ms", "5xx", "done afterwards", "in s"]
    return Section("outage", [Table(header, rows)], aims)


def _phases(valkey: Child) -> list[tuple[str, Callable[[], None], Callable[[], None]]]:
    return [
        ("there", _nothing, _nothing),
        ("refuses", valkey.kill, valkey.start),
        ("hangs", lambda: valkey.signal(signal.SIGSTOP), lambda: valkey.signal(signal.SIGCONT)),
    ]


def _nothing() -> None:
    """Valkey stays as it is."""


class Uploads:
    """A few clients that upload tiny documents all the time."""

    def __init__(self, url: str, turn: int) -> None:
        self.milliseconds: list[float] = []
        self.answers: Counter[int] = Counter()
        self.accepted: list[str] = []
        self._url = url
        self._turn = turn

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self._client, args=(n, end)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, client_number: int, end: float) -> None:
        headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
        count = 0
        with httpx.Client(base_url=self._url, trust_env=False, timeout=120) as client:
            while time.monotonic() < end:
                count += 1
                content = form(document(self._turn * CLIENTS + client_number, count))
                began = time.perf_counter()
                answer = client.post("/upload", content=content, headers=headers)
                self.milliseconds.append(1000 * (time.perf_counter() - began))
                self.answers[answer.status_code] += 1
                if answer.status_code == 202:
                    self.accepted.append(answer.json()["file_id"])
                time.sleep(BREATH_S)

    @property
    def failures(self) -> int:
        return sum(count for status, count in self.answers.items() if status >= 500)


def _done(running: Service, accepted: int) -> int:
    """How many of the phase's documents are done in the end; the database is emptied for the next."""
    deadline = time.monotonic() + PATIENCE_S
    with pymongo.MongoClient[dict[str, object]](running.stores.urls["MONGO_URL"]) as client:
        files = client[DATABASE]["files"]
        while files.count_documents({"status": {"$nin": ENDED}}) and time.monotonic() < deadline:
            time.sleep(0.5)
        done = files.count_documents({"status": "api call done"})
        files.delete_many({"status": {"$in": ENDED}})
    return min(done, accepted)


def _row(label: str, uploads: Uploads, done: int, seconds: float) -> list[str]:
    taken = uploads.milliseconds
    figures = [number(one) for one in (percentile(taken, 50), percentile(taken, 99), max(taken))]
    counts = [str(uploads.failures), f"{done} of {len(uploads.accepted)}", number(seconds)]
    return [label, str(len(taken)), *figures, *counts]


def _aims(label: str, uploads: Uploads, done: int) -> list[Aim]:
    return [
        Aim(f"{label}: p99 of uploads", percentile(uploads.milliseconds, 99) / 1000, 2, False, " s"),
        Aim(f"{label}: answers 5xx", uploads.failures, 0, False),
        Aim(f"{label}: uploads that were not accepted", _refused(uploads), 0, False),
        Aim(f"{label}: accepted and not done", len(uploads.accepted) - done, 0, False),
    ]


def _refused(uploads: Uploads) -> int:
    return sum(uploads.answers.values()) - uploads.answers[202]
