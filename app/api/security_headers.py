"""What browsers are told with every answer, so that a hole somewhere else has less to work with."""

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.client_address import Network, comes_from

CLOSED: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For data: nothing in it may load or run anything, should a browser take it for a page."""
PAGE: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify"
)
"""For the page under /ui: its own files, pictures that it made itself, and this API. No inline script.

Text becomes markup in one place, the sanitiser (DOMPurify), which names its policy so.
"""
PAGES: Final = "/ui"
HSTS: Final = "max-age=31536000"
EVERYWHERE: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class SecurityHeaders:
    """Outermost, so that refusals and faults have them too. A route that sets one itself keeps its own."""

    def __init__(self, app: ASGIApp, proxies: Sequence[Network] = ()) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        policy = PAGE if path == PAGES or path.startswith(f"{PAGES}/") else CLOSED
        told = EVERYWHERE | {"content-security-policy": policy}
        if self._by_https(scope):
            told["strict-transport-security"] = HSTS

        async def send_told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in told.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_told)

    def _by_https(self, scope: Scope) -> bool:
        """Over TLS to us, or to a proxy that we trust and that says so."""
        if scope.get("scheme") == "https":
            return True
        peer = scope["client"][0] if scope.get("client") else None
        said = Headers(scope=scope).get("x-forwarded-proto", "")
        return said.lower() == "https" and comes_from(peer, self._proxies)
