"""One document as its owner sees it now: the answer's body, its tag, and the wait for the next one."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from bson import ObjectId
from starlette.responses import Response

from app.api.dependencies import Services
from app.api.etag import etag, matches, revisions
from app.api.prefer import Patience
from app.api.views import file_view
from app.api.waiting import waiting_fields, why_waiting
from app.db.client import Record
from app.domain.errors import NotFound
from app.domain.status import TERMINAL

POLL_AFTER_S: Final = "1"
CACHE: Final = "private, no-cache"


async def found(services: Services, file_id: ObjectId, owner: str) -> Record:
    """The owner's record. Raises NotFound."""
    record = await services.files.find(file_id, owner)
    if record is None:
        raise NotFound()
    return record


async def view(services: Services, record: Record) -> dict[str, Any]:
    """The record, and for a queued one what it waits for."""
    now: datetime = await services.files.now()
    waiting = why_waiting(record, now)
    if waiting is None:
        return file_view(record)
    position = alive = None
    if waiting.needs_worker:
        position = await services.positions.before(record["queued_at"]) + 1
        alive = await services.liveness.anyone()
    return file_view(record, waiting_fields(waiting, position, alive))


@dataclass(frozen=True)
class Question:
    """What a caller of `GET /{id}` has already, and how long it will wait for more."""

    if_none_match: str | None
    patience: Patience


async def answer(services: Services, file_id: ObjectId, owner: str, question: Question) -> Response:
    """200 with the current state, or 304 when the caller has it; after waiting, if it asked for that."""
    record = await found(services, file_id, owner)
    if question.patience.seconds > 0:
        record = await _awaited(services, record, question)
    body = orjson.dumps(await view(services, record), option=orjson.OPT_UTC_Z)
    headers = {"etag": etag(record["revision"], body), "cache-control": CACHE} | question.patience.applied
    if record["status"] not in TERMINAL:
        headers["retry-after"] = POLL_AFTER_S
    if matches(question.if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


async def _awaited(services: Services, record: Record, question: Question) -> Record:
    """The record when it differs from what the caller has, or has ended; else after the wait, as it is."""
    known = revisions(question.if_none_match)
    clock = asyncio.get_running_loop().time
    deadline = clock() + question.patience.seconds
    with services.watch.on(record["_id"], record["revision"]) as interest:
        services.watch.look_at(record["_id"])
        while record["status"] not in TERMINAL and not (known and record["revision"] not in known):
            if not await interest.news(deadline - clock()):
                break
            if interest.latest is None:
                raise NotFound()
            record = interest.latest
    return record
