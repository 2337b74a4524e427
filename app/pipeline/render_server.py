"""The fork-server: exec'd clean, it imports the renderer once and forks a sandboxed child per document.

It holds no secret (empty environment, nothing inherited), never looks into a document, keeps each
child's wall clock, kills whole groups, reaps, and tells the client how a child ended.
It lives as long as someone holds the other end of its standard input.
"""

import contextlib
import gc
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.pipeline import render_child, render_pdfium
from app.pipeline import sandbox_libc as libc
from app.pipeline.render_child import Files, Task
from app.pipeline.render_poppler import Poppler
from app.pipeline.render_wire import MAX_REQUEST, Cause, Frame, Refused, Request, Verdict
from app.pipeline.sandbox import Sandbox
from app.pipeline.sandbox_exec import ExecGate

_BACKLOG = 128
_REQUEST_WAIT_S = 10.0
_LONGEST_SLEEP_S = 3600.0
_DESCRIPTORS = 3


@dataclass(eq=False)
class _Caller:
    """One connection: first waiting for its request, then for its child."""

    connection: socket.socket
    deadline: float
    child: int | None = None
    overtime: bool = False


class ForkServer:
    """One thread, one selector: new callers, callers that leave, children that end, clocks, the life-line."""

    def __init__(self, listener: socket.socket, lifeline: int, sandbox: Sandbox, task: Task) -> None:
        self._listener = listener
        self._lifeline = lifeline
        self._sandbox = sandbox
        self._task = task
        self._callers: set[_Caller] = set()
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Until the life-line ends; then every child is killed."""
        ended, on_signal = socket.socketpair()
        for end in (ended, on_signal):
            end.setblocking(False)
        signal.set_wakeup_fd(on_signal.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for source in (self._listener, self._lifeline, ended):
            self._selector.register(source, selectors.EVENT_READ)
        try:
            while self._turn(ended):
                self._check_clocks()
        finally:
            for caller in self._callers:
                _kill(caller)

    def _turn(self, ended: socket.socket) -> bool:
        for key, _ in self._selector.select(self._patience()):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj == self._lifeline:
                if not os.read(self._lifeline, 64):
                    return False
            elif key.fileobj is ended:
                with contextlib.suppress(BlockingIOError):
                    ended.recv(4096)
                self._reap()
            elif key.data in self._callers:
                self._hear(key.data)
        return True

    def _patience(self) -> float:
        next_clock = min((caller.deadline for caller in self._callers), default=float("inf"))
        return min(max(0.0, next_clock - time.monotonic()), _LONGEST_SLEEP_S)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            caller = _Caller(connection, time.monotonic() + _REQUEST_WAIT_S)
            self._callers.add(caller)
            self._selector.register(connection, selectors.EVENT_READ, caller)

    def _hear(self, caller: _Caller) -> None:
        """A request, or the end of the connection: nobody wants the child's pages any more."""
        if caller.child is not None:
            _kill(caller)
            self._selector.unregister(caller.connection)  # the verdict is still tried, at the child's end
            return
        try:
            data, descriptors, _, _ = socket.recv_fds(caller.connection, MAX_REQUEST, _DESCRIPTORS)
        except OSError:
            data, descriptors = b"", []
        request = _decode(data)
        if request is None or len(descriptors) != _DESCRIPTORS:
            for descriptor in descriptors:
                os.close(descriptor)
            self._forget(caller)
            return
        self._fork(caller, request, Files(*descriptors))

    def _fork(self, caller: _Caller, request: Request, files: Files) -> None:
        try:
            child = os.fork()
        except OSError:  # no memory or no process left: the client meets a closed connection
            files.close()
            self._forget(caller)
            return
        if child == 0:
            render_child.run(self._task, request, files, self._sandbox)
        files.close()
        caller.child = child
        caller.deadline = time.monotonic() + request.wall_s

    def _check_clocks(self) -> None:
        now = time.monotonic()
        for caller in [each for each in self._callers if each.deadline <= now]:
            if caller.child is None:
                self._forget(caller)
            else:
                caller.overtime = True
                caller.deadline = float("inf")
                _kill(caller)

    def _reap(self) -> None:
        """Every ended child: its group is killed while its number cannot have been given to another."""
        by_child = {caller.child: caller for caller in self._callers if caller.child is not None}
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            caller = by_child.get(found.si_pid)
            if caller is not None:
                _kill(caller)
            _, status, usage = os.wait4(found.si_pid, 0)
            if caller is not None:
                self._tell(caller, status, usage)

    def _tell(self, caller: _Caller, status: int, usage: resource.struct_rusage) -> None:
        code = os.waitstatus_to_exitcode(status)
        end = "wall" if caller.overtime else "signal" if code < 0 else "exit"
        with contextlib.suppress(OSError):
            caller.connection.send(Verdict(end, abs(code), usage.ru_utime + usage.ru_stime).encode())
        self._forget(caller)

    def _forget(self, caller: _Caller) -> None:
        self._callers.discard(caller)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(caller.connection)
        caller.connection.close()


def _decode(data: bytes) -> Request | None:
    """The request, None when it is none (or a part of one: a client sends it in one piece)."""
    if not data.endswith(b"\n"):
        return None
    try:
        request = Request.decode(data)
        return request if request.wall_s > 0 and request.cpu_s > 0 else None
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
        return None


def _kill(caller: _Caller) -> None:
    """The child's whole group (it leads one from its first instruction but two)."""
    if caller.child is None:
        return
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(caller.child, signal.SIGKILL)


@dataclass(frozen=True)
class Engines:
    """The production task: PDFium, or poppler's tools where they are installed."""

    sandbox: Sandbox
    poppler: Poppler | None

    def draw(self, request: Request, files: Files) -> Iterator[Frame]:
        if request.engine != "poppler":
            return render_pdfium.draw(files.document, os.fstat(files.document).st_size, request)
        if self.poppler is None or (request.second_try and not self.sandbox.confines_tools):
            raise Refused(Cause.NO_POPPLER)
        return self.poppler.draw(request, files)


def main(socket_path: str, tools: dict[str, str], task: Task | None = None) -> None:
    """Be the fork-server: `ready` on standard output, requests on `socket_path`; tests bring a `task`."""
    lifeline, told = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    try:
        server, report = _prepare(socket_path, lifeline, tools, task)
    except BaseException as error:
        os.write(told, json.dumps({"failed": repr(error)}).encode() + b"\n")
        raise
    try:
        os.write(told, json.dumps({"ready": report}).encode() + b"\n")
        os.close(told)
        server.serve()
    finally:
        with contextlib.suppress(OSError):
            Path(socket_path).unlink()
    with contextlib.suppress(OSError):
        Path(socket_path).parent.rmdir()  # the starter is gone, or is about to do the same


def _prepare(
    socket_path: str, lifeline: int, tools: dict[str, str], task: Task | None
) -> tuple[ForkServer, dict[str, str]]:
    libc.make_undumpable()
    if libc.LINUX:
        libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)  # a conductor's tools that outlive it are ours to reap
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # by way of `finally`: its children go
    render_pdfium.warm()
    gate = ExecGate.make()
    sandbox = Sandbox.prepare(tools.values(), gate.address)
    poppler = Poppler(tools, gate, sandbox) if tools else None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(FileNotFoundError):
        Path(socket_path).unlink()
    listener.bind(socket_path)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    gc.collect()
    gc.freeze()
    report = {**sandbox.report, "pdfium": render_pdfium.version(), "poppler": tools.get("pdftoppm", "absent")}
    return ForkServer(listener, lifeline, sandbox, task or Engines(sandbox, poppler).draw), report
