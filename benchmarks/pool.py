"""Sixteen workers on a model that takes a second: documents a minute, and memory of a busy worker."""

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pymongo

from app.launch.child import Child
from app.launch.family import family
from app.launch.service import Service
from app.queue.q import Doorbell
from benchmarks.documents import BOUNDARY, ROOT, form, resume
from benchmarks.figures import Aim, Section, Table, median, number, steady_rate
from benchmarks.memory import pss_mb
from benchmarks.model_client import ModelClient, model_server
from benchmarks.processes import PATIENCE_S, child_of, service

WORKERS = 16
MODEL_S = 1.0
HELD_S = 100.0
DATABASE = "bench_pool"


def measure(folder: Path, quick: bool) -> Section:
    waves, rounds = (4, 1) if quick else (12, 3)
    busy, floor = [], []
    with (
        model_server() as model,
        service(folder / "service", model.settings | {"MONGO_DB": DATABASE}) as running,
    ):
        for turn in range(rounds):
            busy.append(_documents(running, model, waves * WORKERS))
            floor.append(_naps(running, folder / f"naps-{turn}", waves * WORKERS))
        memory = {workers: _held(running, model, workers) for workers in (1, WORKERS)}
    ratio = median(busy) / median(floor)
    marginal = (memory[WORKERS]["busy"] - memory[1]["busy"]) / (WORKERS - 1)
    speed = [
        ["the service, model takes 1 s", *map(number, (median(busy) * 60, ratio))],
        ["the same pool, its job sleeps 1 s", *map(number, (median(floor) * 60, 1.0))],
    ]
    use = [[str(count), *map(number, (one["idle"], one["busy"]))] for count, one in memory.items()]
    tables = [
        Table(["16 workers", "documents/min", "of the sleeping pool's"], speed),
        Table(["workers", "PSS MB, idle", "PSS MB, all in a model call"], use),
    ]
    aims = [
        Aim("16 workers, of the sleeping pool", ratio * 100, 90, True, " %"),
        Aim("memory of one more busy worker", marginal, 40, False, " MB PSS"),
    ]
    return Section("pool", tables, aims)


def _documents(running: Service, model: ModelClient, count: int) -> float:
    """Documents a second: all are queued first, so that uploading takes nothing from the workers."""
    model.takes(MODEL_S)
    ids = _upload(running, count)
    with _pool(running, WORKERS):
        ends = _ends(running, ids)
    return steady_rate(ends, WORKERS)


def _naps(running: Service, naps: Path, count: int) -> float:
    naps.touch()
    bell = Doorbell(running.stores.urls["VALKEY_URL"])
    for _ in range(count):
        bell.ring(secrets.token_hex(12))
    bell.close()
    worker = "benchmarks.sleeping_worker.SleepingWorker"
    with _pool(running, WORKERS, RQ_WORKER_CLASS=worker, NAPS=str(naps)):
        _until(lambda: len(naps.read_text(encoding="ascii").splitlines()) >= count, f"{count} naps")
    ends = [float(line.split()[1]) for line in naps.read_text(encoding="ascii").splitlines()]
    return steady_rate(ends, WORKERS)


def _held(running: Service, model: ModelClient, workers: int) -> dict[str, float]:
    """PSS of a pool and all that came from it: idle, and with every worker in a call."""
    model.takes(HELD_S)
    with _pool(running, workers) as pool:
        time.sleep(1)
        idle = pss_mb([process.pid for process in family(pool.pid)])
        ids = _upload(running, workers)
        _until(lambda: model.under_way() == workers, f"{workers} calls under way")
        time.sleep(1)
        busy = pss_mb([process.pid for process in family(pool.pid)])
        model.takes(0)
        _ends(running, ids)
    return {"idle": idle, "busy": busy}


@contextmanager
def _pool(running: Service, workers: int, **settings: str) -> Iterator[Child]:
    """`rq worker-pool` in the service's environment, all of its workers started."""
    command = [sys.executable, "-m", "rq.cli", "worker-pool", "--num-workers", str(workers), "default"]
    env = (child_of(running, "api").env or {}) | settings
    log = running.data / "logs" / f"pool-{secrets.token_hex(4)}.log"
    pool = Child("pool", command, log=log, env=env, cwd=ROOT)
    pool.start()
    try:
        _until(lambda: log.read_text(errors="replace").count("worker_started") >= workers, "the pool's start")
        yield pool
    finally:
        pool.stop(grace=30)


def _upload(running: Service, count: int) -> set[str]:
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    ids = set()
    with httpx.Client(base_url=running.url, trust_env=False, timeout=60) as client:
        for turn in range(count):
            answer = client.post("/upload", content=form(resume(turn)), headers=headers).raise_for_status()
            ids.add(answer.json()["file_id"])
    return ids


def _ends(running: Service, ids: set[str]) -> list[float]:
    """When each document ended, by the record."""
    with pymongo.MongoClient[dict[str, object]](running.stores.urls["MONGO_URL"]) as client:
        files = client[DATABASE]["files"]
        done = {"status": "api call done"}
        before = files.count_documents({}) - len(ids)
        _until(lambda: files.count_documents(done) >= before + len(ids), f"{len(ids)} documents")
        ended = files.find(done, {"ended_at": 1})
        return [one["ended_at"].timestamp() for one in ended if str(one["_id"]) in ids]  # type: ignore[attr-defined]


def _until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {PATIENCE_S:.0f} s there were not yet {what}")
        time.sleep(0.25)
