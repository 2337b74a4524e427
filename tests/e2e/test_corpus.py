"""Every file of the corpus through the whole service: each ends in its code, and nothing else ends.

What it cost is printed: the highest memory of each kind of process, and the slowest documents.
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from app.domain.status import Status
from tests.support.api import wait_until
from tests.support.corpus import BOUNDARY, CASES, DONE, MAX_MB, Case
from tests.support.stack import Stack
from tests.support.workers import RESUME

SETTINGS = {
    "READER": "local",
    "MAX_UPLOAD_MB": str(MAX_MB),
    "MAX_ATTEMPTS": "2",
    "RENDER_TIMEOUT_S": "5",
    "RENDER_MEMORY_MB": "256",
    "LEASE_S": "60",
}
WORKERS = 2
PATIENCE_S = 600.0
POPPLER = ("pdftoppm", "pdftotext", "pdfinfo")
pytestmark = pytest.mark.timeout(900)
TYPE = {"content-type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Without OCR, which would take longer over empty pages than all the rest; poppler is there if it is."""
    folder, programs = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("programs")
    for program in POPPLER:
        if found := shutil.which(program):
            (programs / program).symlink_to(found)
    with Stack(folder, SETTINGS | {"PATH": str(programs)}, workers=WORKERS) as running:
        yield running


class Memory:
    """The most that one process of each kind held, looked at all the time (the kernel's RSS, in MB)."""

    def __init__(self, stack: Stack) -> None:
        self.peaks: dict[str, int] = {}
        self._roots = {name: stack.processes[name].pid for name in ("api", "worker")}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.1):
            for name, pid in self._roots.items():
                with suppress(psutil.Error):
                    self._note(name, psutil.Process(pid))

    def _note(self, name: str, root: psutil.Process) -> None:
        family = [root, *root.children(recursive=True)]
        total = 0
        for one in family:
            with suppress(psutil.Error):
                held = one.memory_info().rss >> 20
                total += held
                self._most(f"{name}, largest process", held)
        self._most(f"{name}, all its processes", total)

    def _most(self, what: str, megabytes: int) -> None:
        self.peaks[what] = max(megabytes, self.peaks.get(what, 0))


def post(client: httpx.Client, case: Case) -> dict[str, Any]:
    answer = client.post("/upload", content=case.form(), headers=TYPE)
    body: dict[str, Any] = answer.json()
    assert answer.status_code == 202 or 400 <= answer.status_code < 500, (case.name, body)
    return body


def seconds(record: dict[str, Any]) -> float:
    """From the first claim to the end."""
    begun = [one["at"] for one in record["timeline"] if one["status"] == Status.PROCESSING]
    return (datetime.fromisoformat(record["ended_at"]) - datetime.fromisoformat(begun[0])).total_seconds()


def all_ended(stack: Stack, sent: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The records by case."""
    ended: dict[str, dict[str, Any]] = {}

    def look() -> bool:
        with stack.client() as client:
            for name, file_id in sent.items():
                if name not in ended and (one := client.get(f"/{file_id}").json())["ended_at"]:
                    ended[name] = one
        return len(ended) == len(sent)

    wait_until(look, PATIENCE_S)
    return ended


def outcome(record: dict[str, Any]) -> str:
    return DONE if record["status"] == Status.DONE else str(record["error"]["code"])


def long_lived(stack: Stack) -> set[int]:
    """API, the pool, its workers, the process that forks renderers: all that a document must not end."""
    names = ("api", "worker", "maintenance")
    pids = {stack.processes[name].pid for name in names}
    pool = psutil.Process(stack.processes["worker"].pid)
    return pids | {child.pid for child in pool.children()}


def test_each_file_of_the_corpus_ends_in_its_code(stack: Stack) -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    before = long_lived(stack)
    with Memory(stack) as memory, stack.client() as client:
        answers = {case.name: post(client, case) for case in CASES}
        sent = {name: body["file_id"] for name, body in answers.items() if "file_id" in body}
        records = all_ended(stack, sent)
    report(records, memory)
    got = {name: outcome(records[name]) if name in sent else body["code"] for name, body in answers.items()}
    assert got == {case.name: case.code for case in CASES}
    shown = {case.name: records[case.name]["name"] for case in CASES if case.shown is not None}
    assert shown == {case.name: case.shown for case in CASES if case.shown is not None}
    assert {name: len(one["attempts"]) for name, one in records.items() if len(one["attempts"]) != 1} == {}
    assert before <= long_lived(stack), "a document has ended one of the service's own processes"
    stack.wait(stack.upload(Path(RESUME).read_bytes()), Status.DONE)


def test_nothing_of_the_corpus_is_outside_its_folder(stack: Stack) -> None:
    """Names with folders in them led nowhere: the storage holds ids alone."""
    stored = Path(stack.service.data) / "files"
    strange = [path.name for path in stored.iterdir() if len(path.name) != 24 and path.name != ".storage-id"]
    assert strange == []
    assert not (stack.folder / "x.pdf").exists()


def report(records: dict[str, dict[str, Any]], memory: Memory) -> None:
    slowest = sorted(((seconds(record), name) for name, record in records.items()), reverse=True)[:5]
    print(f"\n{len(CASES)} files, {len(records)} of them accepted")
    for what, megabytes in sorted(memory.peaks.items()):
        print(f"{megabytes:5} MB   {what}")
    for time, name in slowest:
        print(f"{time:5.1f} s    {name}")
