"""`GET /{id}/events`: a stream of server-sent events, from the current state to the end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import orjson
from bson import ObjectId
from fastapi import APIRouter, Header
from pymongo.errors import PyMongoError
from starlette.responses import Response, StreamingResponse

from app.api.dependencies import FileId, Opened, Owner, Services
from app.api.ids import DOCUMENT
from app.api.looking import found, view
from app.api.schemas import problems
from app.db.client import Record
from app.domain.status import TERMINAL

router = APIRouter(tags=["documents"])
HEARTBEAT_S: Final = 15.0
SHOWN: Final = ("_id", "name", "status", "revision", "progress", "error", "pages", "updated_at")
HEADERS: Final = {"cache-control": "private, no-cache", "x-accel-buffering": "no"}
EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "description": "One event of the stream; `data` of a `status` is JSON, as `GET /{file_id}` has it",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
    "required": ["event", "data"],
}
STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "`status` events, each with the state and its revision as `id`; `deleted` if it goes",
        "content": {"text/event-stream": {"schema": EVENT}},
    },
    204: {"description": "It has ended, and `Last-Event-ID` names its last state: do not come back"},
}


@router.get(
    DOCUMENT + "/events",
    summary="Follow a document",
    description="The current state first, then each change, until it has ended. Comments keep it alive.",
    responses=STREAM | problems(404, 503),
    response_class=StreamingResponse,
)
async def follow(
    file_id: FileId,
    services: Opened,
    owner: Owner,
    last_event_id: Annotated[
        str | None, Header(description="The `id` that was read last: go on from there")
    ] = None,
) -> Response:
    record = await found(services, file_id, owner)
    if last_event_id == str(record["revision"]) and record["status"] in TERMINAL:
        return Response(status_code=204)
    stream = _stream(services, file_id, record, last_event_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)


async def _stream(
    services: Services, file_id: ObjectId, record: Record, seen: str | None
) -> AsyncIterator[bytes]:
    with services.watch.on(file_id, record["revision"]) as interest:
        services.watch.look_at(file_id)
        if seen != str(record["revision"]):
            yield await _event(services, record)
        while record["status"] not in TERMINAL:
            if not await interest.news(HEARTBEAT_S):
                if interest.over:
                    return
                yield b": still here\n\n"
                continue
            if interest.latest is None:
                yield b"event: deleted\ndata: {}\n\n"
                return
            record = interest.latest
            yield await _event(services, record)


async def _event(services: Services, record: Record) -> bytes:
    shown = await _shown(services, record)
    data = orjson.dumps({name: shown[name] for name in SHOWN}, option=orjson.OPT_UTC_Z)
    return b"id: %d\nevent: status\ndata: %s\n\n" % (record["revision"], data)


async def _shown(services: Services, record: Record) -> dict[str, Any]:
    """A database that is away while a client listens is waited for."""
    while True:
        try:
            return await view(services, record)
        except PyMongoError:
            await asyncio.sleep(1)
