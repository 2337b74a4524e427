"""HTTP in one place: a question to the server, its answer, and what a bad answer means."""

import io
import ipaddress
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast
from urllib.parse import urlsplit

import httpx

from app.client.errors import ApiError, Unreachable

CONNECT_S: Final = 5.0
OnSent = Callable[[int], None]
Source = str | Path | BinaryIO
NOT_OURS: Final = "The answer is not one of a Full-RAG server. Check the URL: is it the server's own address?"
BUSY: Final = frozenset({502, 503, 504})
"""What a proxy says while the server behind it starts again."""


@dataclass(frozen=True)
class Ask:
    """One request. `again`: whether it may be repeated when nobody knows if the first one arrived."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    upload: "Upload | None" = None
    wait_s: float = 0.0
    again: bool = True


class Upload:
    """A file to send, from its beginning each time it is sent."""

    def __init__(self, source: Source, name: str | None, on_sent: OnSent | None) -> None:
        self._source = source
        self._on_sent = on_sent
        given = getattr(source, "name", "") if not isinstance(source, str | Path) else source
        self.name = name or (Path(given).name if isinstance(given, str | Path) else "") or "document"
        self._start = 0 if isinstance(source, str | Path) else source.tell()

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        if isinstance(self._source, str | Path):
            with Path(self._source).open("rb") as file:
                yield cast(BinaryIO, _Rest(file, 0, self._on_sent))
        else:
            self._source.seek(self._start)
            yield cast(BinaryIO, _Rest(self._source, self._start, self._on_sent))


class _Rest(io.RawIOBase):
    """A file from `start` on, which tells how much of it was read: httpx would begin at its beginning."""

    def __init__(self, file: BinaryIO, start: int, told: OnSent | None) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._told = told
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._read += len(data)
        if data and self._told is not None:
            self._told(self._read)
        return data

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._read = 0
        return self._file.seek(offset + (self._start if whence == io.SEEK_SET else 0), whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start


def base_url(url: str) -> str:
    """`url` as requests need it. Raises ValueError with an example."""
    parts = urlsplit(url.strip())
    try:
        _ = parts.port
    except ValueError:
        parts = parts._replace(netloc="")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            "The server's URL must be one as in http://127.0.0.1:8001 or https://rag.example.com"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("The server's URL must hold an address alone: no user, no ?query, no #fragment")
    return url.strip().rstrip("/")


def options(url: str, api_key: str | None, timeout_s: float) -> dict[str, Any]:
    """For httpx's clients. Raises ValueError; never with the key in it."""
    base = base_url(url)
    headers = {"user-agent": "full-rag-client"}
    if api_key and api_key.strip():
        key = api_key.strip()
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ValueError("The API key holds characters that none has. Copy it again: frag_ and so on.")
        headers["authorization"] = f"Bearer {key}"
    timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
    return {"base_url": base, "headers": headers, "timeout": timeout, "trust_env": not _is_local(base)}


def _is_local(url: str) -> bool:
    """A server on this machine is never asked through the proxy that the environment may name."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def request_arguments(ask: Ask, timeout: httpx.Timeout) -> Iterator[dict[str, Any]]:
    """For httpx's `request`; a file is open while it is sent."""
    read = None if timeout.read is None else timeout.read + ask.wait_s
    patient = httpx.Timeout(timeout.read, connect=timeout.connect, read=read)
    made: dict[str, Any] = {"headers": ask.headers, "timeout": patient, "params": ask.params or None}
    if ask.upload is None:
        yield made
        return
    with ask.upload.opened() as file:
        yield made | {"data": ask.form, "files": {"file": (ask.upload.name, file)}}


def no_answer(error: httpx.HTTPError, url: str) -> ApiError:
    """What httpx could not do, as ours."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return Unreachable(
            f"The server at {url} cannot be reached. Is it running, is the URL right?", sent=False
        )
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
        return Unreachable(f"The connection to {url} broke, or no answer came in time.", sent=True)
    return ApiError("unexpected_answer", NOT_OURS)


def checked(response: httpx.Response) -> httpx.Response:
    """The (read) answer itself, where it is a good one. Raises ApiError."""
    if response.status_code < 300 or response.status_code == 304:
        return response
    body = _json(response)
    status, after = response.status_code, _retry_after(response)
    if not isinstance(body, dict) or "code" not in body:
        if status in BUSY or status == 429:
            raise ApiError(
                "unavailable",
                f"The server, or a proxy before it, answers {status}: it is busy or starting.",
                retryable=True,
                status=status,
                retry_after_s=after,
            )
        raise ApiError("unexpected_answer", f"{NOT_OURS} (HTTP status {status})", status=status)
    raise ApiError(
        str(body["code"]),
        str(body.get("detail") or body.get("title") or "no reason given"),
        retryable=body.get("retryable") is True,
        status=status,
        request_id=str(body.get("request_id") or response.headers.get("x-request-id", "")),
        retry_after_s=after,
    )


def content(response: httpx.Response) -> Any:
    """The JSON of a good answer. Raises ApiError."""
    body = _json(response)
    if body is None:
        raise ApiError("unexpected_answer", NOT_OURS, status=response.status_code)
    return body


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _retry_after(response: httpx.Response) -> float | None:
    """In seconds; a date is as good as nothing said."""
    try:
        seconds = float(response.headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
