"""The one way out: requests to URLs that clients gave, made so that they cannot be turned inwards.

The host is resolved once, every address of the answer is judged, and the connection goes to one
of the judged addresses, with the host's own name for the certificate and in the Host header. No
redirect is followed, nothing comes from the environment (proxies, .netrc), connections are not
reused, and both the answer's size and the whole request's time are capped.
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import certifi
import httpcore

from app.domain.webhook_url import Allowed, InvalidWebhookUrl, WebhookUrl, parse_webhook_url
from app.notify.resolver import LookupFailed, Resolver

MAX_ANSWER: Final = 64 * 1024
TOTAL_S: Final = 10.0
LOOKUP_S: Final = 5.0
CONNECT_S: Final = 5.0


class RequestFailed(Exception):
    """No answer came. `code` is one of a few words that the URL's owner may read."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class HttpAnswer:
    """What came back; `body` is cut at 64 kB. A redirect is an answer like any other, and no success."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


def tls_context(own_authority: str | None = None) -> ssl.SSLContext:
    """Certificates are verified against the public authorities, and one's own (PEM) where given."""
    context = ssl.create_default_context(cafile=certifi.where())
    if own_authority is not None:
        context.load_verify_locations(cadata=own_authority)
    return context


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens the connection of one request: resolve, judge every address, connect to a judged one."""

    def __init__(
        self, resolver: Resolver, allowed: Allowed, lane: str, dial: httpcore.AsyncNetworkBackend
    ) -> None:
        self._resolver = resolver
        self._allowed = allowed
        self._lane = lane
        self._dial = dial

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError()
        for address in await self._judged(host, port):
            try:
                return await self._dial.connect_tcp(
                    address, port, timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _judged(self, host: str, port: int) -> list[str]:
        try:
            addresses = await self._resolver.resolve(host, port, self._lane, LOOKUP_S)
        except LookupFailed:
            raise RequestFailed("dns_failed") from None
        except TimeoutError:
            raise RequestFailed("dns_timeout") from None
        if any(self._allowed.refusal(host, address) for address in addresses):
            raise RequestFailed("address_refused")
        return [str(address) for address in addresses]

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedClient:
    """Sends one request at a time on a connection of its own. Made inside a running event loop."""

    def __init__(
        self,
        allowed: Allowed,
        *,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        dial: httpcore.AsyncNetworkBackend | None = None,
        total_s: float = TOTAL_S,
    ) -> None:
        self._allowed = allowed
        self._resolver = resolver or Resolver()
        self._tls = tls or tls_context()
        self._dial = dial or httpcore.AnyIOBackend()
        self._total_s = total_s

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, lane: str = "") -> HttpAnswer:
        """The answer, whatever its status; raises RequestFailed. `lane` is whose request this is."""
        try:
            parts = parse_webhook_url(url, self._allowed)
        except InvalidWebhookUrl:
            raise RequestFailed("url_refused") from None
        try:
            async with asyncio.timeout(self._total_s):
                return await self._send(parts, headers, body, lane)
        except TimeoutError:
            raise RequestFailed("timeout") from None
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise RequestFailed(_code_of(error)) from error
        except (OSError, ValueError) as error:  # a name that the TLS library cannot encode, for example
            raise RequestFailed("connect_failed") from error

    async def _send(self, url: WebhookUrl, headers: Mapping[str, str], body: bytes, lane: str) -> HttpAnswer:
        backend = GuardedBackend(self._resolver, self._allowed, lane, self._dial)
        request = httpcore.Request(
            "POST",
            httpcore.URL(
                scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=url.target.encode()
            ),
            headers=_headers(url, headers, len(body)),
            content=body,
            extensions={"timeout": {"connect": CONNECT_S, "read": self._total_s, "write": self._total_s}},
        )
        async with httpcore.AsyncConnectionPool(
            ssl_context=self._tls, network_backend=backend, max_keepalive_connections=0
        ) as pool:
            response = await pool.handle_async_request(request)
            try:
                return HttpAnswer(response.status, _readable(response.headers), await _capped(response))
            finally:
                await response.aclose()


def _headers(url: WebhookUrl, given: Mapping[str, str], length: int) -> list[tuple[bytes, bytes]]:
    fixed = {
        "host": url.host_header,
        "content-length": str(length),
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "close",
    }
    merged = {name.lower(): value for name, value in given.items()} | fixed
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in merged.items()]


def _readable(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


async def _capped(response: httpcore.Response) -> bytes:
    """The body as it comes, not unpacked, up to the cap; the rest is never read."""
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) >= MAX_ANSWER:
            break
    return bytes(body[:MAX_ANSWER])


def _code_of(error: Exception) -> str:
    if isinstance(error, httpcore.ConnectError):
        return "tls_failed" if _from_tls(error) else "connect_failed"
    if isinstance(error, httpcore.ConnectTimeout):
        return "connect_timeout"
    if isinstance(error, httpcore.TimeoutException):
        return "timeout"
    return "bad_answer" if isinstance(error, httpcore.ProtocolError) else "connection_lost"


def _from_tls(error: BaseException) -> bool:
    """Whether the handshake failed: a certificate refused, or no TLS spoken at all."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLWantReadError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
