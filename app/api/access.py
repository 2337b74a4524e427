"""The gate before every route: who asks, whether they may, and how often. What is not public needs a key.

It stands before the routes so that a new one is closed until somebody opens it here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from app.api.auth import KeyRing, ScopeMissing, refuse_key_in_query, shown_key
from app.api.error_handlers import as_problem
from app.api.limits import READS, UPLOADS, Limiter, RateLimited
from app.api.lingering import LingeringResponse
from app.api.local_only import refuse_strangers
from app.domain.client_address import Network, client_of
from app.domain.errors import DomainError
from app.domain.file import PUBLIC_OWNER
from app.domain.keys import Caller, Scope

PUBLIC: Final = frozenset(
    {"/", "/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json", "/favicon.ico"}
)
PUBLIC_FOLDERS: Final = ("/ui",)
"""The page itself is no secret; what it asks for needs a key like any other request."""
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN: Final = Caller(PUBLIC_OWNER, Scope.ADMIN)
"""Everybody, while keys are off."""


@dataclass(frozen=True)
class Gate:
    """One a process, made in the lifespan. `keys` is None while keys are off."""

    keys: KeyRing | None
    limiter: Limiter
    proxies: Sequence[Network]
    origins: Sequence[str]

    async def admit(self, scope: AsgiScope) -> dict[str, str]:
        """Let a request in: its caller is in the scope's state from here on. Headers for the answer."""
        headers = Headers(scope=scope)
        refuse_key_in_query(scope.get("query_string", b""))
        if self.keys is None:
            refuse_strangers(scope["method"], headers, self.origins)
        if is_public(scope["path"]):
            return {}
        try:
            caller = await self._caller(headers)
        except DomainError as refusal:
            if refusal.code != "unavailable":  # guessing is counted like asking
                await self.limiter.admit(READS, self._address(scope, headers))
            raise
        scope["state"]["caller"] = caller
        structlog.contextvars.bind_contextvars(key_id=caller.key_id)
        needed = Scope.READ if scope["method"] in READING else Scope.WRITE
        if not caller.scope.allows(needed):
            raise ScopeMissing(needed)
        return await self.limiter.admit(policy_of(scope), caller.key_id or self._address(scope, headers))

    async def _caller(self, headers: Headers) -> Caller:
        return OPEN if self.keys is None else await self.keys.caller(shown_key(headers))

    def _address(self, scope: AsgiScope, headers: Headers) -> str:
        peer = scope["client"][0] if scope.get("client") else None
        return client_of(peer, headers.getlist("x-forwarded-for"), self.proxies)


class Access:
    """The gate as middleware, in plain ASGI: no body is read before its sender was let in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gate: Gate = scope["app"].state.gate
        try:
            told = await gate.admit(scope)
        except Exception as error:
            await _refusal(Request(scope), error)(scope, receive, send)
            return

        async def send_told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        await self._app(scope, receive, send_told if told else send)


def is_public(path: str) -> bool:
    """Whether no key is asked for."""
    return path in PUBLIC or any(path == one or path.startswith(f"{one}/") for one in PUBLIC_FOLDERS)


def policy_of(scope: AsgiScope) -> str:
    """Which count a request belongs to."""
    first = scope["path"].lstrip("/").partition("/")[0]
    uploads = scope["method"] == "POST" and first in ("upload", "uploads")
    return UPLOADS if uploads else READS


def _refusal(request: Request, error: Exception) -> Response:
    answer = as_problem(request, error)
    if answer.status_code == 401:
        answer.headers["www-authenticate"] = 'Bearer realm="full-rag"'
    if isinstance(error, RateLimited):
        answer.headers.update(error.headers)
    return LingeringResponse.of(answer) if _has_body(request.headers) else answer


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
