"""How soon two thousand waiting clients know the end of their documents, and what their waiting costs.

The worker's part is played by this process: the same transitions, announced the same way, at a steady pace.
"""

import json
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from bson import ObjectId

from app.db.client import sync_client, sync_database
from app.db.collections.work import WorkFiles
from app.db.transitions.work import Hold
from app.domain.file import new_token
from app.domain.result import Analysis, Usage
from app.queue.announce import announcer
from app.queue.valkey import Valkey
from benchmarks.documents import BOUNDARY, form
from benchmarks.figures import Aim, Section, Table, number, percentile
from benchmarks.front import DATABASE, Front, Seen, front
from benchmarks.processes import helper

DOCUMENTS = 200
EACH = 1_000
PACE_S = 0.1
IDLE_S = 5.0
PATIENCE_S = 60.0
RESULT = "## Summary\nA resume.\n" * 50


def measure(folder: Path, quick: bool) -> Section:
    """`quick`: a tenth of the clients and documents, twice as fast."""
    _raise_limits()
    runs = [_run(folder / name, name == "killed", quick) for name in ("there", "killed")]
    header = ["run", "clients", "ends heard", "p50 s", "p99 s", "longest s"]
    cost = ["run, phase (most frequent commands)", "API", "queries/s", "CPU % of a core", "RSS MB"]
    tables = [
        Table(header, [row for run in runs for row in run.rows]),
        Table(cost, [row for run in runs for row in run.costs]),
    ]
    return Section("waiting", tables, [aim for run in runs for aim in run.aims], [run.note for run in runs])


@dataclass(frozen=True)
class Run:
    """One run's part of the section."""

    rows: list[list[str]]
    costs: list[list[str]]
    aims: list[Aim]
    note: str


def _run(folder: Path, kills: bool, quick: bool) -> Run:
    folder.mkdir()
    label, bound_s = ("Valkey killed half-way", 5) if kills else ("Valkey there", 1)
    scale, pace_s = (10, PACE_S / 2) if quick else (1, PACE_S)
    phases = {}
    with front(folder) as running, helper("benchmarks.waiting_clients") as clients:
        phases["nobody waits"] = _spent(running, lambda: time.sleep(IDLE_S))
        ids = _upload(running.port, DOCUMENTS // scale)
        worked = Worked(running, ids, pace_s, kills)
        task = {"port": running.port, "ids": ids, "each": EACH // scale, "to": str(folder / "ends.json")}
        task["patience_s"] = PATIENCE_S + len(ids) * pace_s
        phases["they arrive"] = _spent(running, lambda: clients.ask(task))
        phases["all wait"] = _spent(running, lambda: time.sleep(IDLE_S))
        phases["documents end"] = _spent(running, worked.work)
        seen = clients.hear()
    late = worked.lateness(json.loads((folder / "ends.json").read_text(encoding="ascii")))
    together = [one for each in late.values() for one in each]
    aims = [
        Aim(f"{label}: p99", percentile(together, 99), bound_s, False, " s"),
        Aim(f"{label}: clients without an end", seen["open"], 0, False),
        Aim(f"{label}: queries/s of both while documents end", _rate(phases["documents end"]), 100, False),
    ]
    costs = [row for phase, spent in phases.items() for row in _cost(f"{label}, {phase}", spent)]
    rows = [_row(label, kind, late[kind]) for kind in late]
    return Run(rows, costs, aims, f"{label}: broken answers: {seen['broken'] or 'none'}.")


class Worked:
    """Takes document after document from queued to done; knows when each ended, by the server's clock."""

    def __init__(self, running: Front, ids: list[str], pace_s: float, kills: bool) -> None:
        self._running = running
        self._ids = ids
        self._pace_s = pace_s
        self._kills = kills
        self._killed_after = len(ids) // 2 if kills else -1
        self._ended: dict[str, float] = {}

    def work(self) -> None:
        valkey = Valkey(self._running.valkey.url)
        with sync_client(self._running.mongo.url) as client:
            files = WorkFiles(sync_database(client, DATABASE), announce=announcer(valkey))
            due = time.monotonic()
            for turn, file_id in enumerate(self._ids):
                if turn == self._killed_after:
                    self._running.valkey.kill()
                self._one(files, ObjectId(file_id))
                due += self._pace_s
                time.sleep(max(0.0, due - time.monotonic()))
            for file_id in self._ids:
                record = files.find(ObjectId(file_id))
                assert record is not None
                self._ended[file_id] = record["ended_at"].timestamp()
        valkey.close()

    def _one(self, files: WorkFiles, file_id: ObjectId) -> None:
        hold = Hold(new_token(), "bench", 1, "bench")
        assert files.claim(file_id, hold, 600, 100, str(file_id))
        assert files.converted(file_id, hold.token, 1, 1, 0, [])
        assert files.progress(file_id, hold.token, "analysing", 1, 1)
        assert files.finish(file_id, hold.token, Analysis(RESULT, "bench", Usage()), {"n": 1})

    def lateness(self, ends: list[tuple[str, str, float]]) -> dict[str, list[float]]:
        """Seconds from the write to the client, by kind; in the outage, of what ended in it."""
        after = set(self._ids[self._killed_after :] if self._kills else self._ids)
        late: dict[str, list[float]] = {"events": [], "wait": []}
        for kind, file_id, at in ends:
            if file_id in after:
                late[kind].append(at - self._ended[file_id])
        return late


Spent = list[tuple[Seen, Seen, float]]


def _spent(running: Front, happens: Callable[[], Any]) -> Spent:
    """What each API process used meanwhile, and its memory afterwards."""
    before = [api.look() for api in running.apis]
    happens()
    return [(first, api.look(), api.rss_mb()) for first, api in zip(before, running.apis, strict=True)]


def _rate(spent: Spent) -> float:
    return sum(_queries(first, then) / (then.at - first.at) for first, then, _ in spent)


def _queries(first: Seen, then: Seen) -> int:
    return sum((then.queries - first.queries).values(), 0)


def _cost(label: str, spent: Spent) -> list[list[str]]:
    rows = []
    for n, (first, then, rss) in enumerate(spent, start=1):
        seconds = then.at - first.at
        figures = (_queries(first, then) / seconds, 100 * (then.cpu_s - first.cpu_s) / seconds, rss)
        by_name = Counter(then.queries - first.queries).most_common(3)
        names = ", ".join(f"{name} {count}" for name, count in by_name)
        rows.append([f"{label} ({names})", str(n), *map(number, figures)])
    return rows


def _row(label: str, kind: str, late: list[float]) -> list[str]:
    figures = [percentile(late, 50), percentile(late, 99), max(late)]
    return [label, kind, str(len(late)), *map(number, figures)]


def _upload(port: int, count: int) -> list[str]:
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    ids = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        for turn in range(count):
            content = form(b"%PDF-1.7\n%" + str(turn).encode())
            answer = client.post("/upload", content=content, headers=headers).raise_for_status()
            ids.append(answer.json()["file_id"])
    return ids


def _raise_limits() -> None:
    """Each client is a file here and two at nginx; children inherit what is set here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most != resource.RLIM_INFINITY and most < 6 * EACH:
        raise SystemExit(f"This part needs {6 * EACH} open files, the limit is {most} (ulimit -Hn).")
