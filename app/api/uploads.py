"""`POST /upload`: the door of step 1."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.api.dependencies import Opened, Owner, Services
from app.api.error_handlers import as_problem
from app.api.lingering import LingeringResponse
from app.api.problems import request_id_of
from app.api.schemas import UploadAnswer, problems
from app.api.views import json_response
from app.domain.webhook_url import MAX_URL
from app.intake.errors import ClientGone, FileTooLarge
from app.intake.fields import MAX_PROMPT
from app.intake.idempotency import hashed_key
from app.intake.submit import Accepted, Wish

router = APIRouter(tags=["documents"])
POLL_AFTER_S: Final = "1"

FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "A PDF"},
                        "prompt": {
                            "type": "string",
                            "maxLength": MAX_PROMPT,
                            "description": "What to ask about the document, in place of the default prompt",
                        },
                        "webhook_url": {
                            "type": "string",
                            "format": "uri",
                            "maxLength": MAX_URL,
                            "description": "Where to be told of the document's end (`GET /webhook-secret`)",
                        },
                    },
                }
            }
        },
    }
}
PROBLEMS: Final = problems(
    s400="file_missing, file_empty, too_many_files, too_many_parts, malformed_multipart, "
    "idempotency_key_invalid",
    s403="stored_quota_exceeded",
    s408="upload_too_slow",
    s409="idempotency_in_progress (Retry-After says when to try again)",
    s413="file_too_large",
    s415="unsupported_type",
    s422="unknown_field, invalid_field, invalid_webhook_url, idempotency_key_reused",
    s429="too_many_in_flight (Retry-After says when to try again)",
    s503="unavailable, storage_unavailable, upload_interrupted (Retry-After says when to try again)",
    s507="storage_full",
)
ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "model": UploadAnswer,
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
    summary="Upload one document",
    responses=ACCEPTED | PROBLEMS,
    openapi_extra=FORM,
)
async def upload(
    request: Request,
    services: Opened,
    owner: Owner,
    idempotency_key: Annotated[
        str | None, Header(description="Repeating the upload repeats the answer")
    ] = None,
    cache_control: Annotated[str | None, Header(description="`no-cache` asks for a fresh analysis")] = None,
) -> Response:
    body = Body(request)
    try:
        _refuse_by_length(request, services)
        wish = Wish(
            chunks=body.chunks(),
            content_type=request.headers.get("content-type"),
            owner=owner,
            request_id=request_id_of(request),
            idempotency_key=hashed_key(idempotency_key),
            fresh="no-cache" in (cache_control or "").lower(),
        )
        accepted = await services.intake.accept(wish)
    except Exception as error:
        answer = as_problem(request, error)
        return answer if body.ended else LingeringResponse.of(answer)
    return _answer(accepted, services)


def _answer(accepted: Accepted, services: Services) -> Response:
    headers = {"location": f"/{accepted.file_id}", "retry-after": POLL_AFTER_S}
    if accepted.replayed:
        return _accepted(accepted, headers | {"idempotency-replayed": "true"})
    response = _accepted(accepted, headers)
    response.background = BackgroundTask(services.intake.ring, accepted.file_id)
    return response


def _accepted(accepted: Accepted, headers: dict[str, str]) -> Response:
    return json_response({"file_id": accepted.file_id}, 202, headers)


def _refuse_by_length(request: Request, services: Services) -> None:
    """What says itself that it is too large need not be sent; what does not say so is counted as it comes."""
    length = request.headers.get("content-length", "")
    limits = services.intake.limits
    if length.isdecimal() and int(length) > limits.max_body:
        raise FileTooLarge(limits.max_mb)
