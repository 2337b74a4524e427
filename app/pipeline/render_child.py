"""One document's life in its own process: shed everything inherited, seal, draw, send, end.

Runs in a fork of the fork-server and never returns. Until the seal is on, not one byte of the
document is looked at.
"""

import os
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from app.pipeline import sandbox_libc as libc
from app.pipeline.render_wire import Cause, Frame, Head, Kind, Refused, Request
from app.pipeline.sandbox import Limits, Sandbox

_OUT_OF_MEMORY = Head(Kind.REFUSED, Cause.OUT_OF_MEMORY).pack()
_HIGHEST_DESCRIPTOR = 65_536


@dataclass(frozen=True)
class Files:
    """What a child may hold: the socket for its frames, the document (twice, each with its own position)."""

    pages: int
    document: int
    document_again: int

    def all(self) -> set[int]:
        return {self.pages, self.document, self.document_again}

    def close(self) -> None:
        for descriptor in self.all():
            os.close(descriptor)


Task = Callable[[Request, Files], Iterator[Frame]]


def run(task: Task, request: Request, files: Files, sandbox: Sandbox) -> NoReturn:
    """Do `task` in the cell and end the process; 0 when the client has been told everything."""
    status = 1
    try:
        _shed(files, sandbox)
        _work(task, request, files, sandbox)
        status = 0
    except BrokenPipeError:
        status = 0  # the client has left; nobody waits for an answer
    except MemoryError:
        os.write(files.pages, _OUT_OF_MEMORY)
        status = 0
    finally:
        os._exit(status)


def _work(task: Task, request: Request, files: Files, sandbox: Sandbox) -> None:
    try:
        _seal(request, files, sandbox)
        for frame in task(request, files):
            _send(files.pages, *frame)
        _send(files.pages, Head(Kind.END))
    except Refused as refused:
        _send(files.pages, Head(Kind.REFUSED, refused.cause, refused.detail))


def _shed(files: Files, sandbox: Sandbox) -> None:
    """Leave the server's session, descriptors and signal handling behind; die when it dies."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    if libc.LINUX:
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    previous = 2
    highest = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], _HIGHEST_DESCRIPTOR)
    for kept in sorted(files.all() | set(sandbox.rulesets.values())):
        os.closerange(previous + 1, kept)
        previous = kept
    os.closerange(previous + 1, highest)


def _seal(request: Request, files: Files, sandbox: Sandbox) -> None:
    """The document is mapped (or read) into memory, so its size comes on top of the limit."""
    size = os.fstat(files.document).st_size
    memory = request.memory_mb * 1024 * 1024 + size
    try:
        sandbox.seal("conductor" if request.engine == "poppler" else "parser", Limits(memory, request.cpu_s))
        for ruleset in sandbox.rulesets.values():
            os.close(ruleset)
    except OSError:
        raise Refused(Cause.NO_SANDBOX) from None


def _send(pages: int, head: Head, *parts: bytes) -> None:
    """Write a frame; blocks while the client is busy with the page before, which is the backpressure."""
    left = [memoryview(part) for part in (head.pack(), *parts) if part]
    while left:
        written = os.writev(pages, left)
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left:
            left[0] = left[0][written:]
