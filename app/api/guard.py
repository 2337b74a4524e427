"""The layers around the routes, and what the gate among them needs."""

import asyncio
from typing import Any, Final

import structlog
from fastapi import FastAPI
from pymongo.asynchronous.database import AsyncDatabase
from starlette.middleware.cors import CORSMiddleware

from app.api.access import Access, Gate
from app.api.auth import KeyRing
from app.api.limits import Limiter
from app.api.measured import Measured
from app.api.request_context import RequestContext
from app.api.security_headers import SecurityHeaders
from app.config import ApiSettings
from app.db.client import Record
from app.db.collections.keys import Keys
from app.queue.valkey import Valkey

CORS: Final[dict[str, Any]] = {
    "allow_methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    "allow_headers": [
        "authorization",
        "x-api-key",
        "content-type",
        "idempotency-key",
        "cache-control",
        "if-none-match",
        "last-event-id",
        "prefer",
        "x-request-id",
    ],
    "expose_headers": [
        "etag",
        "idempotency-replayed",
        "location",
        "ratelimit",
        "ratelimit-policy",
        "retry-after",
        "x-request-id",
    ],
    "max_age": 600,
}
log = structlog.get_logger(__name__)


def guard(app: FastAPI, settings: ApiSettings) -> None:
    """Put the layers on; the last one added is the outermost."""
    app.add_middleware(Access)
    if settings.origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.origins, **CORS)
    app.add_middleware(RequestContext)
    app.add_middleware(Measured)
    app.add_middleware(SecurityHeaders, proxies=settings.proxies)


def open_gate(
    settings: ApiSettings, database: AsyncDatabase[Record], valkey: Valkey
) -> tuple[Gate, "asyncio.Task[None] | None"]:
    """The gate, and the task that notes when keys were used (None while keys are off)."""
    limiter = Limiter(valkey, settings.upload_rate, settings.read_rate)
    if not settings.keys_required:
        log.warning("auth_is_off", reason="no key is asked for: every caller may do everything")
        return Gate(None, limiter, settings.proxies, settings.origins), None
    ring = KeyRing(Keys(database))
    return Gate(ring, limiter, settings.proxies, settings.origins), asyncio.create_task(ring.run())
