"""Requests sent by hand, byte by byte, where a well-behaved client would not do."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.support.api import PDF, RunningApi

BOUNDARY: Final = "frontier"
OPENING: Final = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'.encode() + PDF
)
"""A form with the beginning of a file, long enough to be known as a PDF."""
ENDING: Final = f"\r\n--{BOUNDARY}--\r\n".encode()


@contextmanager
def connection(api: RunningApi, head: bytes = b"", length: int | None = None) -> Iterator[socket.socket]:
    """A request for /upload whose body the test sends, chunked where no length is given."""
    size = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    start = (
        f"POST /upload HTTP/1.1\r\nHost: localhost\r\n{size}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
    )
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as sock:
        sock.sendall(start.encode() + head + b"\r\n")
        yield sock


def chunk(data: bytes) -> bytes:
    """As `Transfer-Encoding: chunked` wants it."""
    return b"%x\r\n" % len(data) + data + b"\r\n"


def answer_of(sock: socket.socket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    while data := sock.recv(65_536):
        received += data
    return received


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
