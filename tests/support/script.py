"""A server that says what a test wrote down, for the client: no network, and every request is kept."""

from collections.abc import Callable
from typing import Any

import httpx

Line = httpx.Response | type[httpx.TransportError] | Callable[[httpx.Request], httpx.Response]
FILE_ID = "65f1c0ffee65f1c0ffee65f1"


class Script(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers in order; the last line is said again and again. An exception's type is raised."""

    def __init__(self, *lines: Line) -> None:
        self._lines = list(lines)
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.read())
        return self._say(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(await request.aread())
        return self._say(request)

    def _say(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        line = self._lines.pop(0) if len(self._lines) > 1 else self._lines[0]
        if isinstance(line, type):
            raise line("as the script says")
        said = line if isinstance(line, httpx.Response) else line(request)
        return httpx.Response(said.status_code, headers=said.headers, content=said.content)  # unread


def record(status: str = "queued", revision: int = 1, **fields: Any) -> dict[str, Any]:
    """A document as the server shows it."""
    return {
        "_id": FILE_ID,
        "name": "resume.pdf",
        "status": status,
        "result": None,
        "revision": revision,
    } | fields


def shown(status: str = "queued", revision: int = 1, **fields: Any) -> httpx.Response:
    headers = {"etag": f'"{revision}-0123456789ab"'}
    return httpx.Response(200, json=record(status, revision, **fields), headers=headers)


def unchanged() -> httpx.Response:
    return httpx.Response(304, headers={"preference-applied": "wait=20"})


def problem(status: int, code: str, *, retryable: bool = False, **headers: str) -> httpx.Response:
    body = {"code": code, "detail": "what to do", "retryable": retryable, "request_id": "req-1"}
    return httpx.Response(status, json=body, headers=headers)
