"""Around every request, in plain ASGI: its id, its line in the log, and the last catch."""

import re
import secrets
import time
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.error_handlers import as_problem

GIVEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
log = structlog.get_logger(__name__)


class RequestContext:
    """Accepts or makes `X-Request-ID`, answers it, binds it to the log; turns what escaped into a 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            if answer.status:
                raise  # too late for a problem body: the server closes the connection
            await as_problem(Request(scope), error)(scope, receive, answer.send)
        finally:
            _tell(scope, answer.status, started)


class _Answer:
    """`send`, noting the status and adding our headers."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._request_id
            headers.setdefault("x-content-type-options", "nosniff")
        await self._send(message)


def _request_id(given: str | None) -> str:
    return given if given and GIVEN_ID.fullmatch(given) else secrets.token_hex(8)


def _tell(scope: Scope, status: int, started: float) -> None:
    """One line a request: the route's pattern, never the address that was asked for."""
    route = getattr(scope.get("route"), "path", "none")
    write = log.debug if route.startswith("/health") or route == "/" else log.info
    write(
        "request",
        method=scope["method"],
        route=route,
        status=status,
        code=scope["state"].get("code"),
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
    )
