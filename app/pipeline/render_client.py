"""The worker's side of a conversation with the renderer: one document, page after page.

It keeps the wall clock (only while it waits; the time that the caller takes over a page is the
caller's) and believes nothing that comes from the child before it has checked it.
"""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from app.domain.errors import DomainError
from app.pipeline import render_failures as failures
from app.pipeline.ports import Page
from app.pipeline.render_wire import (
    HEAD_SIZE,
    MAX_TEXT,
    MAX_VERDICT,
    Head,
    Kind,
    Request,
    Verdict,
)

_CONNECT_WAIT_S = 10.0
_VERDICT_WAIT_S = 10.0
_PAGES_AHEAD_BYTES = 1 << 20
"""How far the child may draw ahead of who takes the pages; the kernel may give less."""
_JPEG_START = b"\xff\xd8"
_BYTES_PER_PIXEL = 3
_JPEG_OVERHEAD = 1 << 16
_MOST_BYTES_A_CHARACTER = 4


class Refusal(Exception):
    """The child's own last word, kept apart from its meaning: the caller may know another way."""

    def __init__(self, cause: int, failure: DomainError) -> None:
        super().__init__(failure.message)
        self.cause = cause
        self.failure = failure


def converse(address: str, path: Path, request: Request) -> Iterator[tuple[int, Page]]:
    """(pages in all, page) in order. Raises Refusal, PermanentFailure or TransientFailure."""
    with contextlib.ExitStack() as stack:
        control, pages = _connect(address, path, request, stack)
        clock = _Clock(request.timeout_s)
        expected, total = request.first_page, None
        while True:
            try:
                head = Head.unpack(_receive(pages, HEAD_SIZE, clock))
                if head.kind == Kind.END:
                    return
                if head.kind == Kind.REFUSED:
                    raise Refusal(head.number, failures.refused(head.number, head.total, request))
                total = total or head.total
                page = _page(pages, head, expected, total, request, clock)
            except TimeoutError:
                raise failures.too_slow(request) from None
            except (EOFError, OSError):
                raise failures.ended(_verdict(control), request) from None
            yield total, page
            expected += 1


def _connect(
    address: str, path: Path, request: Request, stack: contextlib.ExitStack
) -> tuple[socket.socket, socket.socket]:
    """Connect and hand over the request, the child's end of the page socket and the open document."""
    documents = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for _ in range(2)]
    with contextlib.ExitStack() as ours:
        for document in documents:
            ours.callback(os.close, document)
        try:
            control = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            control.settimeout(_CONNECT_WAIT_S)
            control.connect(address)
            pages, childs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            stack.enter_context(pages)
            ours.enter_context(childs)
            childs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PAGES_AHEAD_BYTES)
            socket.send_fds(control, [request.encode()], [childs.fileno(), *documents])
        except OSError:
            raise failures.unreachable() from None
    return control, pages


class _Clock:
    """Seconds of waiting that are left."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def wait(self, source: socket.socket, into: memoryview) -> int:
        """Receive, and take what it took off the clock; raises TimeoutError."""
        if self.left <= 0:
            raise TimeoutError
        began = time.monotonic()
        source.settimeout(self.left)
        try:
            return source.recv_into(into)
        finally:
            self.left -= time.monotonic() - began


def _receive(source: socket.socket, size: int, clock: _Clock) -> bytes:
    data = bytearray(size)
    into = memoryview(data)
    while into:
        received = clock.wait(source, into)
        if received == 0:
            raise EOFError
        into = into[received:]
    return bytes(data)


def _page(
    pages: socket.socket, head: Head, expected: int, total: int, request: Request, clock: _Clock
) -> Page:
    if not plausible(head, expected, total, request):
        raise failures.misbehaved()
    jpeg = _receive(pages, head.jpeg_bytes, clock)
    text = _receive(pages, head.text_bytes, clock)
    if not jpeg.startswith(_JPEG_START):
        raise failures.misbehaved()
    return Page(expected, jpeg, head.width, head.height, text.decode("utf-8", "replace")[:MAX_TEXT])


def plausible(head: Head, expected: int, total: int, request: Request) -> bool:
    """Is this the page that has to come, and no larger than a page can be?"""
    largest = max(request.box)
    return (
        head.kind == Kind.PAGE
        and head.number == expected
        and head.total == total
        and expected <= total <= request.max_pages
        and 0 < head.width <= largest
        and 0 < head.height <= largest
        and head.jpeg_bytes <= head.width * head.height * _BYTES_PER_PIXEL + _JPEG_OVERHEAD
        and head.text_bytes <= MAX_TEXT * _MOST_BYTES_A_CHARACTER
    )


def _verdict(control: socket.socket) -> Verdict | None:
    """What the server says about the child's end; None when the server has gone as well."""
    try:
        control.settimeout(_VERDICT_WAIT_S)
        return Verdict.decode(control.recv(MAX_VERDICT))
    except (OSError, ValueError, TypeError):
        return None
