"""`POST /upload`: the door of step 1."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Request
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.api.dependencies import Opened, Owner, Services
from app.api.error_handlers import as_problem
from app.api.lingering import LingeringResponse
from app.api.problems import request_id_of
from app.api.schemas import BatchAnswer, UploadAnswer, problems
from app.api.views import json_response
from app.domain.metadata import HOW, MAX_TEXT
from app.domain.webhook_url import MAX_URL
from app.intake.errors import BatchTooLarge, ClientGone, FileTooLarge
from app.intake.fields import MAX_PROMPT
from app.intake.file_part import CONTENT_TYPE
from app.intake.idempotency import MAX_KEY, hashed_key
from app.intake.incoming import Sender
from app.intake.submission import Accepted, BrokenOff
from app.intake.submit import Wish

router = APIRouter(tags=["documents"])
POLL_AFTER_S: Final = "1"

FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "encoding": {"file": {"contentType": CONTENT_TYPE}},
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "A PDF. Send the field again for each further file of a batch",
                        },
                        "prompt": {
                            "type": "string",
                            "maxLength": MAX_PROMPT,
                            "description": "What to ask about the document, in place of the default prompt",
                        },
                        "metadata": {
                            "type": "string",
                            "maxLength": MAX_TEXT,
                            "description": f"Your own marks to find it by: {HOW}",
                            "examples": ['{"applicant": "4711"}'],
                        },
                        "webhook_url": {
                            "type": "string",
                            "format": "uri",
                            "maxLength": MAX_URL,
                            "description": "Where to be told of the document's end (`GET /webhook-secret`)",
                        },
                    },
                },
            }
        },
    }
}
ABOUT: Final = (
    "One `file` answers `{file_id}`. Several in one request are a batch and answer `{batch_id, file_ids, "
    "refused}`: each is a document of its own, and one that is refused keeps no other from being accepted. "
    "`prompt`, `metadata` and `webhook_url` hold for all files and must stand before the second. "
    "If a batch breaks off in the middle, what was accepted before stays: the error then names `batch_id`, "
    "`file_ids` and `refused` too. With an `Idempotency-Key` the same request, sent again, is answered like "
    "the first; a batch that broke off gives its key back."
)
PROBLEMS: Final = problems(
    s400="file_missing, file_empty, too_many_files, too_many_parts, malformed_multipart, "
    "idempotency_key_invalid",
    s403="stored_quota_exceeded",
    s408="upload_too_slow",
    s409="idempotency_in_progress (Retry-After says when to try again)",
    s413="file_too_large, batch_too_large",
    s415="unsupported_type",
    s422="unknown_field, field_too_late, invalid_field, invalid_webhook_url, idempotency_key_reused",
    s429="too_many_in_flight (Retry-After says when to try again)",
    s503="unavailable, storage_unavailable, upload_interrupted (Retry-After says when to try again)",
    s507="storage_full",
)
ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "model": UploadAnswer | BatchAnswer,
        "description": "Durably stored and queued. Poll the address in `Location`.",
        "headers": {
            "Location": {"schema": {"type": "string"}, "description": "Where the document is"},
            "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds until the first poll"},
            "Idempotency-Replayed": {
                "schema": {"type": "string"},
                "description": "`true` on a repeated answer",
            },
        },
    }
}


class Body:
    """The request's body in chunks; knows whether all of it has come."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.ended = False

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._request.stream():
                if chunk:
                    yield chunk
        except ClientDisconnect:
            self.ended = True
            raise ClientGone() from None
        self.ended = True


@router.post(
    "/upload",
    status_code=202,
    summary="Upload a document, or several as a batch",
    description=ABOUT,
    responses=ACCEPTED | PROBLEMS,
    openapi_extra=FORM,
)
async def upload(
    request: Request,
    services: Opened,
    owner: Owner,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Repeating the upload repeats the answer",
            json_schema_extra={"minLength": 1, "maxLength": MAX_KEY},
        ),
    ] = None,
    cache_control: Annotated[str | None, Header(description="`no-cache` asks for a fresh analysis")] = None,
) -> Response:
    body = Body(request)
    try:
        _refuse_by_length(request, services)
        wish = Wish(
            chunks=body.chunks(),
            content_type=request.headers.get("content-type"),
            sender=Sender(owner, request_id_of(request), hashed_key(idempotency_key)),
            fresh="no-cache" in (cache_control or "").lower(),
        )
        accepted = await services.intake.accept(wish)
    except Exception as error:
        answer = _problem(request, error)
        return answer if body.ended else LingeringResponse.of(answer)
    return _answer(accepted, services)


def _answer(accepted: Accepted, services: Services) -> Response:
    headers = {"retry-after": POLL_AFTER_S} | ({"idempotency-replayed": "true"} if accepted.replayed else {})
    if accepted.batch_id is not None:
        return json_response(_batch(accepted), 202, headers | {"location": f"/batches/{accepted.batch_id}"})
    (file_id,) = accepted.file_ids
    response = json_response({"file_id": file_id}, 202, headers | {"location": f"/{file_id}"})
    if not accepted.replayed:
        response.background = BackgroundTask(services.intake.ring, file_id)
    return response


def _batch(accepted: Accepted) -> dict[str, Any]:
    return {"batch_id": accepted.batch_id, "file_ids": accepted.file_ids, "refused": accepted.refused}


def _problem(request: Request, error: Exception) -> Response:
    """Of a batch that ended badly, with what became of its files (RFC 9457 allows further members)."""
    if not isinstance(error, BrokenOff):
        return as_problem(request, error)
    assert isinstance(error.__cause__, Exception)
    answer = as_problem(request, error.__cause__)
    answer.body = orjson.dumps(orjson.loads(answer.body) | _batch(error.so_far))
    answer.headers["content-length"] = str(len(answer.body))
    return answer


def _refuse_by_length(request: Request, services: Services) -> None:
    """What says itself that it is too large need not be sent; what does not say so is counted as it comes."""
    length = request.headers.get("content-length", "")
    limits = services.intake.limits
    if length.isdecimal() and int(length) > limits.max_body:
        raise FileTooLarge(limits.max_mb) if limits.max_files == 1 else BatchTooLarge(limits.max_batch_mb)
