"""One document: look at it, try it again, stop it, delete it."""

from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Header, Query
from starlette.background import BackgroundTask
from starlette.responses import Response

from app.api.dependencies import FileId, Opened, Owner
from app.api.ids import DOCUMENT
from app.api.looking import Question, answer, found, view
from app.api.prefer import patience
from app.api.schemas import FileView, problems
from app.api.views import json_response
from app.db.client import Record
from app.domain.errors import Conflict, NotFound, Unavailable
from app.domain.status import TERMINAL, Status

router = APIRouter(tags=["documents"])
log = structlog.get_logger(__name__)

VIEW: Final[dict[int | str, dict[str, Any]]] = {200: {"model": FileView}}
UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "The caller has this state"}}
TRIES: Final = 5
BUSY: Final = "The document is changing too fast right now. Try again in a few seconds."
STILL_SAVING: Final = "The document is still being received. Wait for the upload's answer, then try again."


@router.get(
    DOCUMENT,
    summary="Status and result",
    description="With `Prefer: wait=N` (or `?wait=N`) the answer comes when the document differs from what "
    "`If-None-Match` names (without it: when it has ended), at the latest after N seconds, as it is then.",
    responses=VIEW | UNCHANGED | problems(404, 503),
)
async def read_file(
    file_id: FileId,
    services: Opened,
    owner: Owner,
    wait: Annotated[
        int | None, Query(ge=0, description="Seconds; the server's WAIT_MAX_S is the most")
    ] = None,
    prefer: Annotated[list[str] | None, Header(description="`wait=N` (RFC 7240)")] = None,
    if_none_match: Annotated[str | None, Header(description="The `ETag` of an earlier answer")] = None,
) -> Response:
    patient = patience(prefer or [], wait, services.settings.wait_max_s)
    return await answer(services, file_id, owner, Question(if_none_match, patient))


@router.post(
    DOCUMENT + "/retry",
    status_code=202,
    summary="Try a failed or cancelled document again",
    description="Attempts start again; what was answered and paid for stays.",
    responses=problems(404, 503, s409="not_retryable", s429="too_many_in_flight")
    | {202: {"model": FileView}},
)
async def retry_file(file_id: FileId, services: Opened, owner: Owner) -> Response:
    for _ in range(TRIES):
        record = await found(services, file_id, owner)
        if record["status"] not in (Status.FAILED, Status.CANCELLED):
            raise Conflict(
                f"Only a failed or cancelled document can be retried; this one is '{record['status']}'.",
                code="not_retryable",
            )
        await services.intake.quotas.room_for_retry(owner)
        if await services.files.retry(file_id, owner):
            break
    else:
        raise Unavailable(BUSY)
    response = json_response(
        await view(services, await found(services, file_id, owner)), 202, {"retry-after": "1"}
    )
    response.background = BackgroundTask(services.intake.ring, str(file_id))
    return response


@router.post(
    DOCUMENT + "/cancel",
    summary="Stop working on a document",
    description="No further call is paid for it.",
    responses=VIEW | problems(404, 503, s409="already_ended, still_saving"),
)
async def cancel_file(file_id: FileId, services: Opened, owner: Owner) -> Response:
    for _ in range(TRIES):
        record = await found(services, file_id, owner)
        _refuse_saving(record)
        if record["status"] in TERMINAL:
            raise Conflict(f"The document has already ended: '{record['status']}'.", code="already_ended")
        if await services.files.cancel(file_id, owner):
            break
    else:
        raise Unavailable(BUSY)
    return json_response(await view(services, await found(services, file_id, owner)))


@router.delete(
    DOCUMENT,
    status_code=204,
    summary="Delete a document and all that was made of it",
    description="File, pages, result and record, for good. For a day, deleting it again is answered alike.",
    responses=problems(404, 503, s409="still_saving"),
)
async def delete_file(file_id: FileId, services: Opened, owner: Owner) -> Response:
    """The tombstone first: what is left of the bytes after a fault is swept by the reconciler."""
    buried = await services.files.bury(file_id, owner)
    if buried is None and not await services.files.is_tombstone(file_id, owner):
        _refuse_saving(await found(services, file_id, owner))
        raise NotFound()
    try:
        await services.storage.delete_prefix(str(file_id))
    except Exception as error:
        log.warning("bytes_not_deleted_yet", file_id=str(file_id), error_type=type(error).__name__)
    return Response(status_code=204)


def _refuse_saving(record: Record) -> None:
    if record["status"] == Status.SAVING:
        raise Conflict(STILL_SAVING, code="still_saving")
