"""`GET /{id}/result`: what was understood, alone, in the form that the client wants."""

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from app.api.accept import preferred
from app.api.dependencies import FileId, Opened, Owner
from app.api.etag import etag, matches
from app.api.ids import DOCUMENT
from app.api.looking import found
from app.api.problems import problem
from app.api.schemas import ResultView, problems
from app.db.client import Record
from app.domain.errors import Conflict, DomainError, Failure
from app.domain.status import Status

router = APIRouter(tags=["documents"])
MARKDOWN: Final = "text/markdown"
JSON: Final = "application/json"
PLAIN: Final = "text/plain"
OFFERED: Final = (MARKDOWN, JSON, PLAIN)
TEXT: Final[dict[str, Any]] = {"schema": {"type": "string"}, "example": "# Jane Doe\n\nSoftware engineer …"}
FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": ResultView,
        "description": "By `Accept`: Markdown (unless something else is asked for), JSON or plain text",
        "content": {MARKDOWN: TEXT, PLAIN: TEXT},
    },
    304: {"description": "The caller has it already"},
}


class NotAcceptable(DomainError):
    code = "not_acceptable"
    default_message = f"The result can be had as {', '.join(OFFERED)}. Name one of them in `Accept`."


@router.get(
    DOCUMENT + "/result",
    summary="The result alone",
    description="It stays until the document is deleted or past its retention: reading does not use it up. "
    "Of a failed document the failure is told, with its code.",
    responses=FORMS
    | problems(
        404,
        503,
        s406="not_acceptable",
        s409="not_finished (Retry-After says when to look again), document_cancelled",
        s422="the failure of the document, by its own code",
    ),
    response_class=Response,
)
async def read_result(
    request: Request,
    file_id: FileId,
    services: Opened,
    owner: Owner,
    accept: Annotated[str | None, Header(description=", ".join(OFFERED))] = None,
    if_none_match: Annotated[str | None, Header(description="The `ETag` of an earlier answer")] = None,
) -> Response:
    record = await found(services, file_id, owner)
    if record["status"] == Status.FAILED:
        return problem(request, 422, Failure(**record["error"]), {"vary": "accept"})
    _refuse_unfinished(record)
    kind = preferred(accept, OFFERED)
    if kind is None:
        raise NotAcceptable()
    body = _body(record, kind)
    headers = {"etag": etag(record["revision"], body), "cache-control": "private, no-cache", "vary": "accept"}
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    media_type = kind if kind == JSON else f"{kind}; charset=utf-8"
    return Response(body, headers=headers, media_type=media_type)


def _refuse_unfinished(record: Record) -> None:
    status = record["status"]
    if status == Status.CANCELLED:
        raise Conflict(
            "The document was cancelled and has no result. POST /{id}/retry takes it up again.",
            code="document_cancelled",
        )
    if status != Status.DONE:
        raise Conflict(
            f"The document is still '{status}'. Wait for its end: GET /{{id}} with Prefer: wait=30.",
            code="not_finished",
        )


def _body(record: Record, kind: str) -> bytes:
    if kind == JSON:
        shown = {name: record.get(name) for name in ("result", "data", "usage")}
        return orjson.dumps({"_id": str(record["_id"]), "name": record["name"], **shown})
    text: str = record.get("result") or ""
    return text.encode("utf-8", "replace")
