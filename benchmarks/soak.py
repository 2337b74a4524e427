"""Ten thousand tiny documents through the whole service: what has grown by the end.

The embedded MongoDB-compatible server is started again every thousand: it becomes slower with every update.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pymongo
import redis

from app.launch.family import family
from app.launch.service import Service
from benchmarks.documents import BOUNDARY, form
from benchmarks.figures import Aim, Section, Table, number
from benchmarks.front import until_ready
from benchmarks.processes import child_of, service
from tests.chaos.documents import document

DOCUMENTS = 10_000
PORTION = 1_000
AHEAD = 100
"""So many documents are queued at most: the uploads wait for the workers."""
WORKERS = 2
WARM_UP = 50
PATIENCE_S = 300.0
DATABASE = "bench_soak"
PROCESSES = ("api", "worker", "maintenance", "valkey")
DONE = {"status": "api call done"}
UNFINISHED = {"status": {"$in": ["saving", "queued", "processing", "conversion complete"]}}


@dataclass(frozen=True)
class Look:
    """What the service holds, all work done."""

    documents: int
    valkey_mb: float
    keys: int
    rss_mb: dict[str, float]
    files: dict[str, int]
    processes: int
    zombies: int


def measure(folder: Path, quick: bool, documents: int = DOCUMENTS) -> Section:
    """`quick`: three hundred documents, the server restarted every hundred."""
    documents, portion = (300, 100) if quick else (documents, PORTION)
    settings = {"READER": "local", "MONGO_DB": DATABASE, "CACHE_TTL_S": "0", "PAGE_BOX": "200x200"}
    with service(folder / "service", settings, workers=WORKERS) as running:
        _portion(running, 0, WARM_UP)
        looks = [_look(running, WARM_UP)]
        began = time.monotonic()
        for start in range(0, documents, portion):
            _portion(running, WARM_UP + start, min(portion, documents - start))
            looks.append(_look(running, WARM_UP + min(start + portion, documents)))
            _restart_mongo(running)
        seconds = time.monotonic() - began
        with _files(running) as files:
            done = files.count_documents(DONE)
    first, last = looks[0], looks[-1]
    aims = [
        Aim("documents that are not done", documents + WARM_UP - done, 0, False),
        Aim("Valkey's memory at the end", last.valkey_mb / first.valkey_mb, 1.5, False, " × the start's"),
        Aim("Valkey's keys more than at the start", last.keys - first.keys, 20, False),
        Aim("zombies", last.zombies, 0, False),
        *(_growth(name, first, last) for name in PROCESSES[:3]),
    ]
    note = f"{documents} documents, {number(documents / seconds * 60)} a minute with {WORKERS} workers."
    return Section("soak", [_table(looks)], aims, [note])


def _growth(name: str, first: Look, last: Look) -> Aim:
    return Aim(
        f"RSS of {name} at the end", last.rss_mb[name] / first.rss_mb[name], 1.5, False, " × the start's"
    )


def _table(looks: list[Look]) -> Table:
    header = ["documents so far", "Valkey MB", "Valkey keys", *(f"{name} RSS MB" for name in PROCESSES)]
    header += [*(f"{name} files" for name in PROCESSES), "processes", "zombies"]
    rows = [
        [
            str(look.documents),
            *(number(look.valkey_mb), str(look.keys)),
            *(number(look.rss_mb[name]) for name in PROCESSES),
            *(str(look.files[name]) for name in PROCESSES),
            *(str(look.processes), str(look.zombies)),
        ]
        for look in looks
    ]
    return Table(header, rows)


def _portion(running: Service, start: int, count: int) -> None:
    """Upload so many, never far ahead of the workers; all have ended when it returns."""
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    with (
        httpx.Client(base_url=running.url, trust_env=False, timeout=120) as client,
        _files(running) as files,
    ):
        for turn in range(count):
            if turn % AHEAD == 0:
                _until_unfinished(files, AHEAD // 2)
            content = form(document(1, start + turn))
            client.post("/upload", content=content, headers=headers).raise_for_status()
        _until_unfinished(files, 0)


def _until_unfinished(files: Any, most: int) -> None:
    """The server scans for a count: it is asked seldom."""
    deadline = time.monotonic() + PATIENCE_S
    while files.count_documents(UNFINISHED) > most:
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {PATIENCE_S:.0f} s more than {most} documents are still unfinished")
        time.sleep(0.5)


def _restart_mongo(running: Service) -> None:
    mongo = running.stores.embedded["MONGO_URL"]
    mongo.stop(grace=4)  # it waits for its clients to leave; what it acknowledged is in its journal
    mongo.start()
    until_ready(running.port)


@contextmanager
def _files(running: Service) -> Iterator[Any]:
    with pymongo.MongoClient[dict[str, object]](running.stores.urls["MONGO_URL"]) as client:
        yield client[DATABASE]["files"]


def _look(running: Service, documents: int) -> Look:
    time.sleep(2)  # RQ's last bookkeeping
    with redis.Redis.from_url(running.stores.urls["VALKEY_URL"]) as valkey:
        memory, keys = valkey.info("memory")["used_memory"], valkey.dbsize()
    families = {name: family(child_of(running, name).pid) for name in PROCESSES}
    everyone = [process for members in families.values() for process in members]
    return Look(
        documents=documents,
        valkey_mb=memory / 2**20,
        keys=keys,
        rss_mb={name: sum(map(_rss, members)) / 2**20 for name, members in families.items()},
        files={name: sum(map(_open_files, members)) for name, members in families.items()},
        processes=len(everyone),
        zombies=sum(map(_is_zombie, everyone)),
    )


def _rss(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _open_files(process: psutil.Process) -> int:
    """The workers are not dumpable: only root (or nobody) may look."""
    with suppress(psutil.Error):
        return int(process.num_fds())
    return 0


def _is_zombie(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return False
