"""Counts every request, in plain ASGI around the others: how long it took, and what became of an upload."""

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.access import policy_of
from app.api.limits import UPLOADS
from app.observability.api_metrics import ApiMetrics

NO_ANSWER: Final = 499
"""The client went away before there was one."""
NO_ROUTE: Final = "none"


class Measured:
    """Knows a request by its route's pattern, never by the address that was asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        metrics: ApiMetrics = scope["app"].state.instruments.metrics
        uploads = policy_of(scope) == UPLOADS
        status, started = NO_ANSWER, time.perf_counter()

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        async def receive_counting() -> Message:
            message = await receive()
            metrics.received(len(message.get("body", b"")))
            return message

        try:
            await self._app(scope, receive_counting if uploads else receive, send_noting)
        finally:
            route = getattr(scope.get("route"), "path_format", NO_ROUTE)
            metrics.request(route, scope["method"], status, time.perf_counter() - started)
            if uploads:
                metrics.upload(_outcome(scope, status))


def _outcome(scope: Scope, status: int) -> str:
    if status < 300:
        return "accepted"
    return str(scope.get("state", {}).get("code") or ("gone" if status == NO_ANSWER else "error"))
