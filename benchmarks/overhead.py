"""What the service adds to the model's own time: from accepted to done, one document after the other."""

import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import httpx

from benchmarks.documents import BOUNDARY, form, resume
from benchmarks.figures import Aim, Section, Table, number, percentile
from benchmarks.model_client import ModelClient, model_server
from benchmarks.processes import service

STEPS = ("saving", "queued", "processing", "conversion complete", "api call done")
WARM_UP = 5
EVERY_S = 0.2
Milliseconds = dict[str, list[float]]


def measure(folder: Path, quick: bool) -> Section:
    with (
        model_server() as model,
        service(folder / "service", model.settings, workers=2) as running,
        httpx.Client(base_url=running.url, trust_env=False, timeout=60) as client,
    ):
        seen = _documents(client, model, 8 if quick else 40)
    names = {
        "queued to done, less the model's time": "overhead",
        "of it: bell, fork, connection, claim": "queued → processing",
        "of it: two pages drawn and stored": "processing → conversion complete",
        "of it: call, answer saved, end (model's time included)": "conversion complete → api call done",
        "the model's time": "model",
    }
    rows = [
        [label, *(number(percentile(seen[name], percent)) for percent in (50, 90))]
        for label, name in names.items()
    ]
    aims = [
        Aim("overhead, p50", percentile(seen["overhead"], 50), 120, False, " ms"),
        Aim("overhead, p90", percentile(seen["overhead"], 90), 180, False, " ms"),
    ]
    return Section("overhead", [Table(["milliseconds, 2-page resume", "p50", "p90"], rows)], aims)


def _documents(client: httpx.Client, model: ModelClient, count: int) -> Milliseconds:
    """Upload, wait for the end, take the times of the record and of the model server."""
    seen: Milliseconds = {"overhead": [], "model": []}
    for turn in range(WARM_UP + count):
        times = _one(client, turn)
        model_ms = model.seconds()[-1] * 1000
        if turn < WARM_UP:
            continue
        seen["overhead"].append(_between(times, "queued", "api call done") - model_ms)
        seen["model"].append(model_ms)
        for before, after in pairwise(STEPS):
            seen.setdefault(f"{before} → {after}", []).append(_between(times, before, after))
    return seen


def _one(client: httpx.Client, turn: int) -> dict[str, datetime]:
    """When the document reached each status. Asks seldom: an answer costs what is measured."""
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = client.post("/upload", content=form(resume(turn)), headers=headers).raise_for_status()
    while True:
        time.sleep(EVERY_S)
        record = client.get(answer.headers["location"]).raise_for_status().json()
        if record["status"] in ("failed", "cancelled"):
            raise RuntimeError(f"a document ended as {record['status']}: {record.get('error')}")
        if record["status"] == STEPS[-1]:
            return {line["status"]: datetime.fromisoformat(line["at"]) for line in record["timeline"]}


def _between(times: dict[str, datetime], before: str, after: str) -> float:
    return (times[after] - times[before]).total_seconds() * 1000
