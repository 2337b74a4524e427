"""The one table from a failure's code to HTTP, and the handlers that use it.

Whatever is raised leaves as a problem body with a code and an advice; internal text goes to the log,
by type and place only.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from app.api.problems import problem
from app.db.apply import interrupted
from app.domain.errors import DomainError, Failure, Unavailable

STATUS_OF: Final[dict[str, int]] = {
    "file_missing": 400,
    "file_empty": 400,
    "too_many_files": 400,
    "malformed_multipart": 400,
    "too_many_parts": 400,
    "idempotency_key_invalid": 400,
    "key_in_query": 400,
    "key_missing": 401,
    "key_invalid": 401,
    "key_expired": 401,
    "key_revoked": 401,
    "scope_missing": 403,
    "stored_quota_exceeded": 403,
    "host_refused": 403,
    "origin_refused": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "upload_too_slow": 408,
    "conflict": 409,
    "not_finished": 409,
    "document_cancelled": 409,
    "idempotency_in_progress": 409,
    "not_retryable": 409,
    "already_ended": 409,
    "still_saving": 409,
    "too_many_webhooks": 409,
    "rotated_meanwhile": 409,
    "file_too_large": 413,
    "batch_too_large": 413,
    "unsupported_type": 415,
    "unknown_field": 422,
    "field_too_late": 422,
    "invalid_field": 422,
    "invalid_webhook_url": 422,
    "invalid_request": 422,
    "idempotency_key_reused": 422,
    "client_disconnected": 400,
    "rate_limited": 429,
    "too_many_in_flight": 429,
    "internal_error": 500,
    "unavailable": 503,
    "storage_unavailable": 503,
    "upload_interrupted": 503,
    "storage_full": 507,
}
RETRY_AFTER_S: Final[dict[str, int]] = {
    "idempotency_in_progress": 1,
    "not_finished": 1,
    "unavailable": 2,
    "storage_unavailable": 5,
    "upload_interrupted": 1,
    "upload_too_slow": 1,
    "storage_full": 60,
    "too_many_in_flight": 5,
}
NOTHING_HERE: Final = (
    "There is nothing at this address. A document is at /{file_id}, its 24 hexadecimal digits."
)
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
Handler = Callable[[Request, Any], Awaitable[Response]]

log = structlog.get_logger(__name__)


def register(app: FastAPI) -> None:
    """Give `app` the handlers."""
    handlers: dict[type[Exception], Handler] = {
        DomainError: on_domain_error,
        PyMongoError: on_database_error,
        RequestValidationError: on_invalid_request,
        HTTPException: on_http_exception,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def domain_problem(request: Request, error: DomainError) -> Response:
    """The answer for a domain error, by the table."""
    failure = error.failure()
    status = STATUS_OF.get(failure.code, 500)
    if error.__cause__ is not None:
        log.warning("request_failed", code=failure.code, exc_info=error.__cause__)
    headers = {"retry-after": str(RETRY_AFTER_S[failure.code])} if failure.code in RETRY_AFTER_S else {}
    return problem(request, status, failure, headers)


def internal_problem(request: Request, error: BaseException) -> Response:
    """The answer for what nobody foresaw."""
    log.error("unexpected_error", exc_info=error)
    return problem(request, 500, DomainError().failure())


def as_problem(request: Request, error: Exception) -> Response:
    """Any of ours, the driver's or nobody's errors as an answer; for handlers that answer by themselves."""
    if isinstance(error, DomainError):
        return domain_problem(request, error)
    if isinstance(error, PyMongoError) and interrupted(error):
        away = Unavailable()
        away.__cause__ = error
        return domain_problem(request, away)
    return internal_problem(request, error)


async def on_domain_error(request: Request, error: DomainError) -> Response:
    return domain_problem(request, error)


async def on_database_error(request: Request, error: PyMongoError) -> Response:
    return as_problem(request, error)


async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    """Names the fields, never what was in them."""
    places = sorted(
        {".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0]) for one in error.errors()}
    )
    message = f"The request is not valid: {', '.join(places)}. See /docs for what is expected."
    return problem(request, 422, Failure("invalid_request", message, False))


async def on_http_exception(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return problem(request, 404, Failure("not_found", NOTHING_HERE, False))
    if error.status_code == 405:
        allowed = ", ".join(allowed_methods(request))
        message = f"{request.method} is not possible here; allowed: {allowed}."
        return problem(request, 405, Failure("method_not_allowed", message, False), {"allow": allowed})
    message = "The request could not be understood. See /docs for what is expected."
    return problem(request, error.status_code, Failure("invalid_request", message, False))


def allowed_methods(request: Request) -> list[str]:
    """Of all routes at this address, not of the first that matched it."""
    asked = [{**request.scope, "method": method} for method in METHODS]
    routes = request.app.routes
    return [s["method"] for s in asked if any(route.matches(s)[0] is Match.FULL for route in routes)]
