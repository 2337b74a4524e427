"""Batches: what became of the files of one request, their results as one file, once more, no more."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

import orjson
from bson import ObjectId
from fastapi import APIRouter, Header, Path, Query
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from app.api.batch_views import as_csv, as_jsonl, batch_view
from app.api.dependencies import Opened, Owner, Services
from app.api.etag import matches, tag_of
from app.api.ids import BATCH
from app.api.looking import POLL_AFTER_S
from app.api.schemas import BatchRetried, BatchView, problems
from app.api.views import json_response
from app.db.client import Record
from app.domain.errors import NotFound
from app.domain.status import Status
from app.intake.errors import TooManyInFlight

router = APIRouter(tags=["batches"])
BatchId = Annotated[
    str, Path(description="The `batch_id` that the upload answered", pattern="^[0-9a-f]{24}$")
]
RUNNING: Final = (Status.QUEUED, Status.PROCESSING, Status.CONVERTED)
KINDS: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
NO_BATCH: Final = "There is no such batch. Check the id: it is the batch_id that the upload answered."
TEXT: Final[dict[str, Any]] = {"schema": {"type": "string"}}
SHOWN: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": BatchView,
        "description": "The batch, or with `format` the results of all its documents",
        "content": {"text/csv": TEXT, "application/x-ndjson": TEXT},
    },
    304: {"description": "The caller has this state"},
}


@router.get(
    BATCH,
    summary="A batch: how many of its documents are how far; or all results in one file",
    description="`format=csv` or `jsonl` streams the results in the order of the upload, with the reason "
    "where a document failed, and at the end the files that were refused. In CSV, a cell that a spreadsheet "
    "would take for a formula begins with an apostrophe.",
    responses=SHOWN | problems(404, 503),
    response_class=Response,
)
async def read_batch(
    batch_id: BatchId,
    services: Opened,
    owner: Owner,
    format: Annotated[Literal["json", "csv", "jsonl"], Query(description="What to answer with")] = "json",
    if_none_match: Annotated[str | None, Header(description="The `ETag` of an earlier answer")] = None,
) -> Response:
    batch = await _found(services, batch_id, owner)
    if format != "json":
        return _export(services, batch, owner, format)
    view = await _view(services, batch, owner)
    body = orjson.dumps(view, option=orjson.OPT_UTC_Z)
    headers = {"etag": tag_of(body), "cache-control": "private, no-cache"}
    if view["status"] != "complete":
        headers["retry-after"] = POLL_AFTER_S
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@router.post(
    BATCH + "/retry",
    status_code=202,
    summary="Try all failed documents of a batch again",
    description="Those that failed and no others; what was answered and paid for stays.",
    responses=problems(404, 503, s429="too_many_in_flight, if none of them has room")
    | {202: {"model": BatchRetried}},
)
async def retry_batch(batch_id: BatchId, services: Opened, owner: Owner) -> Response:
    batch = await _found(services, batch_id, owner)
    retried, left = await _retried(services, batch_id, owner)
    view = await _view(services, batch, owner)
    response = json_response({"retried": len(retried), "not_retried": left, **view}, 202)
    response.background = BackgroundTask(_ring, services, retried)
    return response


@router.post(
    BATCH + "/cancel",
    summary="Stop working on a batch",
    description="Documents that have ended keep their end; no further call is paid for the others.",
    responses=problems(404, 503) | {200: {"model": BatchView}},
)
async def cancel_batch(batch_id: BatchId, services: Opened, owner: Owner) -> Response:
    batch = await _found(services, batch_id, owner)
    for file_id in await services.batches.with_status(batch_id, owner, *RUNNING):
        await services.files.cancel(file_id, owner)
    return json_response(await _view(services, batch, owner))


async def _found(services: Services, batch_id: str, owner: str) -> Record:
    batch = await services.batches.find(batch_id, owner)
    if batch is None:
        raise NotFound(NO_BATCH)
    return batch


async def _view(services: Services, batch: Record, owner: str) -> dict[str, Any]:
    return batch_view(batch, await services.batches.counts(batch["_id"], owner))


async def _retried(services: Services, batch_id: str, owner: str) -> tuple[list[ObjectId], int]:
    """Which ones, and how many of the failed had no room among the owner's unfinished documents."""
    failed = await services.batches.with_status(batch_id, owner, Status.FAILED)
    retried: list[ObjectId] = []
    for n, file_id in enumerate(failed):
        try:
            await services.intake.quotas.room_for_retry(owner)
        except TooManyInFlight:
            if not retried:
                raise
            return retried, len(failed) - n
        if await services.files.retry(file_id, owner):
            retried.append(file_id)
    return retried, 0


async def _ring(services: Services, file_ids: list[ObjectId]) -> None:
    for file_id in file_ids:
        await services.intake.ring(str(file_id))


def _export(services: Services, batch: Record, owner: str, format_: str) -> Response:
    documents = services.batches.documents(batch["_id"], owner)
    lines: AsyncIterator[bytes] = (as_csv if format_ == "csv" else as_jsonl)(batch, documents)
    name = f'attachment; filename="batch-{batch["_id"]}.{format_}"'
    headers = {"content-disposition": name, "cache-control": "private, no-cache"}
    return StreamingResponse(lines, headers=headers, media_type=KINDS[format_])
