"""RFC 9457 bodies: how every error is told over HTTP."""

from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.domain.errors import Failure

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:full-rag:problem:"


def request_id_of(request: Request) -> str:
    """The id that the middleware gave this request."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def problem(
    request: Request, status: int, failure: Failure, headers: dict[str, str] | None = None
) -> Response:
    """The answer for `failure`; its code is noted for the request's log line."""
    request.scope.setdefault("state", {})["code"] = failure.code
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + failure.code,
        "title": title_of(status),
        "status": status,
        "detail": failure.message,
        **failure.as_record(),
        "request_id": request_id_of(request),
    }
    del body["message"]
    return Response(
        orjson.dumps(body),
        status,
        headers={"cache-control": "no-store"} | (headers or {}),
        media_type=MEDIA_TYPE,
    )


def title_of(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
