"""Is anybody at work? Workers by their heartbeat; the others by what they would have left lying."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import httpx
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from app.cli.doctor.finding import Finding, Findings, fail, ok, skip, warn
from app.client import ApiError, Client
from app.config import ApiSettings, SharedSettings
from app.db.client import Record, sync_database
from app.db.collections.work import WorkFiles
from app.db.db import DELIVERIES, FILES, KEYS
from app.db.transitions import notify
from app.domain.status import LEASED, Status
from app.queue.q import Doorbell

PATIENCE_S: Final = 10.0
LATE: Final = timedelta(minutes=2)
"""Somebody who is alive mends within seconds."""
START_WORKER: Final = "Start one: docker compose up -d worker, or ./run.sh; then look at its log."


def workers(settings: SharedSettings) -> Finding:
    doorbell = Doorbell(settings.valkey_url.get_secret_value())
    try:
        alive = asyncio.run(doorbell.alive_workers_async())
        depth = asyncio.run(doorbell.queue_depth_async())
    finally:
        doorbell.close()
    if alive is None:
        return skip("workers", "cannot be counted without Valkey")
    if alive == 0:
        return fail("workers", f"none is alive ({depth or 0} documents are waiting)", START_WORKER)
    return ok("workers", f"{alive} alive, {depth or 0} documents waiting")


def others(settings: SharedSettings, api: ApiSettings | None, client: MongoClient[Record]) -> Findings:
    database = sync_database(client, settings.mongo_db)
    try:
        now = WorkFiles(database, patience=lambda: 0.0).now()
        yield _reconciler(database, now, timedelta(seconds=settings.lease_s))
        yield _deliverer(database, now)
        if api is not None and api.keys_required:
            yield _keys(database)
    except PyMongoError as error:
        yield skip("maintenance", f"cannot be looked for ({type(error).__name__})")


def _reconciler(database: Database[Record], now: datetime, lease: timedelta) -> Finding:
    dead = {"status": {"$in": sorted(LEASED)}, "lease.until": {"$lt": now - LATE - lease}}
    unheard = {
        "status": str(Status.QUEUED),
        "next_try_at": {"$lt": now - LATE},
        "rung_at": {"$exists": False},
    }
    left = sum(database[FILES].count_documents(what, limit=1000) for what in (dead, unheard))
    if left:
        return fail(
            "maintenance",
            f"{left} documents wait to be mended since {LATE.seconds // 60} minutes and more",
            "Start the API or the maintenance process (docker compose up -d maintenance, or ./run.sh).",
        )
    return ok("maintenance", "nothing is left lying")


def _deliverer(database: Database[Record], now: datetime) -> Finding:
    late = database[DELIVERIES].count_documents(
        {"state": notify.PENDING, "next_at": {"$lt": now - LATE}}, limit=1000
    )
    if late:
        return fail(
            "webhooks",
            f"{late} deliveries are overdue",
            "Start the maintenance process, which delivers: docker compose up -d maintenance, or ./run.sh",
        )
    return ok("webhooks", "no delivery is overdue")


def _keys(database: Database[Record]) -> Finding:
    if database[KEYS].find_one({"revoked_at": None}) is None:
        return warn(
            "keys",
            "every caller needs a key, and there is none",
            "Make the first: python -m app.cli keys create --name first --scope admin",
        )
    return ok("keys", "there is one at least")


def api(url: str, *, named: bool) -> Finding:
    """`named`: somebody said that it is there; else it may be out of sight from here."""
    try:
        with Client(url, patience_s=0) as client:
            client.check()
        answer = httpx.get(f"{url.rstrip('/')}/health/ready", timeout=PATIENCE_S, trust_env=False)
        body = answer.json()
        bad = [name for name, check in body["checks"].items() if not check["ok"]]
    except (ApiError, httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        text = error.message if isinstance(error, ApiError) else "its /health/ready cannot be read"
        fix = (
            "Start the API (docker compose up -d api, or ./run.sh), or name its address: --url, FULL_RAG_URL."
        )
        return fail("api", text, fix) if named else warn("api", text, fix)
    if bad:
        fix = "See those parts here, and the API's log."
        return (warn if answer.status_code == httpx.codes.OK else fail)(
            "api", f"not well: {', '.join(bad)}", fix
        )
    return ok("api", f"ready at {url}")
