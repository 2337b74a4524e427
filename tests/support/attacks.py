"""Tasks for the renderer's sandboxed child that no parser would do: what a subverted one might try.

They run in place of the real task, in the real child of the real fork-server. The "document" is a JSON
order: which task, and its targets. What was achieved comes back as the text of a page.
"""

import ctypes
import json
import mmap
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from app.pipeline.render_child import Files
from app.pipeline.render_process import RenderServer
from app.pipeline.render_wire import Cause, Frame, Head, Kind, Refused, Request

JPEG = b"\xff\xd8 not really \xff\xd9"
_X86_64 = {
    "ptrace": 101,
    "process_vm_readv": 310,
    "io_uring_setup": 425,
    "unshare": 272,
    "bpf": 321,
    "keyctl": 250,
}
_AARCH64 = {
    "ptrace": 117,
    "process_vm_readv": 270,
    "io_uring_setup": 425,
    "unshare": 97,
    "bpf": 280,
    "keyctl": 219,
}
_X32_GETPID = 0x40000000 + 39


class SubvertedServer(RenderServer):
    """The real thing, with `task` of this file instead of drawing."""

    boot = RenderServer.boot.replace(
        "main(**options)", "from tests.support.attacks import task\nmain(**options, task=task)"
    )


def order(do: str, **targets: Any) -> bytes:
    """A "document" for `task`."""
    return json.dumps({"do": do, **targets}).encode()


def task(request: Request, files: Files) -> Iterator[Frame]:
    """Do what the order says."""
    given = json.loads(os.read(files.document, 65_536))
    yield from _TASKS[given.pop("do")](request, files, **given)


def page(text: str = "", number: int = 1, total: int = 1, jpeg: bytes = JPEG, **head: int) -> Frame:
    """A frame that the client accepts, unless told otherwise."""
    words = text.encode()
    fields = {"kind": int(Kind.PAGE), "number": number, "total": total, "width": 10, "height": 10} | {
        "jpeg_bytes": len(jpeg),
        "text_bytes": len(words),
    }
    return Head(**(fields | head)), jpeg, words


def _attack(_: Request, files: Files, **targets: Any) -> Iterator[Frame]:
    yield page(json.dumps({name: attempt(act) for name, act in attempts(targets).items()}))
    assert files.pages > 2


def attempt(act: Callable[[], Any]) -> str:
    """`refused`, or what was achieved."""
    try:
        got = act()
    except (OSError, RuntimeError, ValueError) as error:
        return "refused" if not isinstance(error, FileNotFoundError) else "not there"
    return f"achieved: {got!r}"[:100]


def attempts(targets: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Everything that a parser has no business doing."""
    victim, server = int(targets["victim"]), int(targets["server"])
    numbers = _AARCH64 if os.uname().machine == "aarch64" else _X86_64
    tries: dict[str, Callable[[], Any]] = {
        "inet socket": lambda: socket.socket(socket.AF_INET),
        "udp socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "socket pair": socket.socketpair,
        "fork": _fork,
        "thread": lambda: threading.Thread(target=int).start(),
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "kill victim": lambda: os.kill(victim, 0),
        "kill server": lambda: os.kill(server, 0),
        "kill group": lambda: os.killpg(victim, 0),
        "read /proc/victim/environ": lambda: _read(f"/proc/{victim}/environ"),
        "read /proc/victim/mem": lambda: _read(f"/proc/{victim}/mem"),
        "read /proc/victim/maps": lambda: _read(f"/proc/{victim}/maps"),
        "read /proc/server/environ": lambda: _read(f"/proc/{server}/environ"),
        "read own environ": lambda: _read("/proc/self/environ"),
        "read own memory": lambda: _read("/proc/self/mem"),
        "read the first process's environ": lambda: _read("/proc/1/environ"),
        "read passwd": lambda: _read("/etc/passwd"),
        "write a file": lambda: os.open("/tmp/full-rag-escaped", os.O_CREAT | os.O_WRONLY, 0o600),
        "make a folder": lambda: Path("/tmp/full-rag-escaped").mkdir(),
        "memory file": lambda: os.memfd_create("x"),
        "raise limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (65_536, 65_536)),
        "become dumpable": lambda: _call(lambda libc: libc.prctl(4, 1, 0, 0, 0)),
        "map 4 GB": lambda: mmap.mmap(-1, 4 << 30),
        "x32 getpid": lambda: _syscall(_X32_GETPID),
        "ptrace": lambda: _syscall(numbers["ptrace"], 16, victim, 0, 0),
        "process_vm_readv": lambda: _syscall(numbers["process_vm_readv"], victim, 0, 0, 0, 0, 0),
        "io_uring": lambda: _syscall(numbers["io_uring_setup"], 1, ctypes.byref((ctypes.c_byte * 256)())),
        "unshare": lambda: _syscall(numbers["unshare"], 0x10000000),
        "bpf": lambda: _syscall(numbers["bpf"], 0, 0, 0),
        "keyctl": lambda: _syscall(numbers["keyctl"], 0, -3, 0),
    }
    for path in targets.get("paths", []):
        tries[f"read {path}"] = lambda path=path: _read(path)
        tries[f"remove {path}"] = lambda path=path: Path(path).unlink()
        tries[f"chmod {path}"] = lambda path=path: Path(path).chmod(0o777)
    for folder in targets.get("folders", []):
        tries[f"list {folder}"] = lambda folder=folder: list(Path(folder).iterdir())
    return tries


def _read(path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    return len(os.read(descriptor, 64))


def _fork() -> str:
    if os.fork() == 0:
        os._exit(0)
    return "a child"


def _syscall(number: int, *arguments: Any) -> int:
    return _call(lambda libc: libc.syscall(ctypes.c_long(number), *arguments))


def _call(call: Callable[[ctypes.CDLL], int]) -> int:
    result = call(ctypes.CDLL(None, use_errno=True))
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def _holdings(_: Request, files: Files, font: str) -> Iterator[Frame]:
    """What it has: environment, descriptors that are open, and whether it may read a font."""
    held = []
    for descriptor in range(4096):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        held.append(descriptor)
    allowed = {0, 1, 2, files.pages, files.document, files.document_again}
    found = {
        "environment": dict(os.environ),
        "extra descriptors": [each for each in held if each not in allowed],
        "font": attempt(lambda: _read(font)),
    }
    yield page(json.dumps(found))


def _rest(_: Request, files: Files) -> Iterator[Frame]:
    """One page that tells its process id, then nothing, for a long time."""
    yield page(str(os.getpid()), total=2)
    time.sleep(600)
    assert files.pages > 2


def _spin(_: Request, files: Files) -> Iterator[Frame]:
    while files.pages:
        pass
    yield page()


def _exhaust(_: Request, files: Files) -> Iterator[Frame]:
    hoard = [bytearray(1 << 24)]
    while files.pages:
        hoard.append(bytearray(1 << 24))
    yield page()


def _crash(_: Request, files: Files) -> Iterator[Frame]:
    ctypes.string_at(files.pages)
    yield page()


def _raise(_: Request, files: Files) -> Iterator[Frame]:
    yield page(total=2)
    raise RuntimeError(f"a secret of the parser {files}")


def _refuse(_: Request, files: Files, cause: int) -> Iterator[Frame]:
    raise Refused(Cause(cause) if files.pages else Cause.DAMAGED, 7)
    yield page()


def _lie(_: Request, files: Files, **head: int) -> Iterator[Frame]:
    """A first page that is fine, then one whose head lies."""
    yield page(total=3)
    yield page(**({"number": 2, "total": 3} | head))
    assert files.pages > 2


def _fake_picture(_: Request, files: Files) -> Iterator[Frame]:
    yield page(jpeg=b"<html>")
    assert files.pages > 2


_TASKS: dict[str, Callable[..., Iterator[Frame]]] = {
    "attack": _attack,
    "holdings": _holdings,
    "rest": _rest,
    "spin": _spin,
    "exhaust": _exhaust,
    "crash": _crash,
    "raise": _raise,
    "refuse": _refuse,
    "lie": _lie,
    "fake picture": _fake_picture,
}
