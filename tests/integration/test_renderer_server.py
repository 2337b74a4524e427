"""The fork-server's life: who starts it, who may use it, when it ends, and that nothing is left behind."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.domain.errors import TransientFailure
from app.pipeline.render import RendererNotStarted, RenderLimits, RenderServer, render_pages
from tests.support import hostile
from tests.support.attacks import SubvertedServer, order

LIMITS = RenderLimits(timeout_s=60)
ROOT = Path(__file__).parents[2]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def server() -> Iterator[RenderServer]:
    server = RenderServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "document.pdf"
    path.write_bytes(hostile.text_pages(2))
    return path


def pid_of(server: RenderServer) -> int:
    pid = server.pid()
    assert pid is not None
    return pid


def draw(server: RenderServer, document: Path) -> list[int]:
    return [page.number for _, page in render_pages(server.address(), document, LIMITS)]


def test_its_address_is_private_and_goes_with_it(server: RenderServer, document: Path) -> None:
    folder = Path(server.address()).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert draw(server, document) == [1, 2]
    pid = pid_of(server)
    server.close()
    assert gone(pid)
    assert not folder.exists()
    with pytest.raises(RendererNotStarted):
        server.address()
    server.close()


def test_starting_twice_is_starting_once(server: RenderServer) -> None:
    before = server.pid()
    server.start()
    assert server.pid() == before


def test_a_dead_server_is_started_again_at_its_address(server: RenderServer, document: Path) -> None:
    address, before = server.address(), pid_of(server)
    os.kill(before, signal.SIGKILL)
    until(lambda: gone(before))
    with pytest.raises(TransientFailure) as caught:
        draw(server, document)
    assert (caught.value.code, caught.value.costs_attempt) == ("renderer_unavailable", True)
    server.start()
    assert server.address() == address
    assert draw(server, document) == [1, 2]


def test_the_report_says_what_the_machine_could_give(server: RenderServer) -> None:
    report = server.sandbox_report()
    assert {"seccomp", "landlock", "rlimits", "pdfium", "poppler"} <= set(report)


def test_it_holds_no_environment_and_no_thread_and_cannot_be_read(server: RenderServer) -> None:
    process = psutil.Process(server.pid())
    assert process.num_threads() == 1
    if os.getuid() == 0:
        assert Path(f"/proc/{server.pid()}/environ").read_bytes() == b""
    else:
        with pytest.raises(PermissionError):
            Path(f"/proc/{server.pid()}/environ").read_bytes()


def test_a_client_that_leaves_takes_its_child_along(server: RenderServer, tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    path.write_bytes(hostile.text_pages(300))
    pages = render_pages(server.address(), path, LIMITS)
    next(pages)
    process = psutil.Process(server.pid())
    assert len(process.children()) == 1
    pages.close()  # type: ignore[attr-defined]
    until(lambda: process.children() == [])


def test_a_child_that_waits_for_nobody_is_killed(tmp_path: Path) -> None:
    """It writes nothing any more, so that it does not notice itself that its client has left."""
    path = tmp_path / "order"
    path.write_bytes(order("rest"))
    server = SubvertedServer()
    server.start()
    pages = render_pages(server.address(), path, LIMITS)
    child = int(next(pages)[1].text)
    pages.close()  # type: ignore[attr-defined]
    until(lambda: gone(child))
    server.close()


def test_ended_children_leave_no_zombies(server: RenderServer, document: Path) -> None:
    for _ in range(5):
        draw(server, document)
    process = psutil.Process(server.pid())
    until(lambda: process.children() == [])


def test_documents_are_drawn_side_by_side(server: RenderServer, document: Path) -> None:
    done: list[list[int]] = []
    threads = [threading.Thread(target=lambda: done.append(draw(server, document))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert done == [[1, 2]] * 6


@pytest.mark.parametrize(
    "words", [b"", b"GET / HTTP/1.1\r\n", b"{}\n", b'{"engine": 1}\n', b"[" * 3000 + b"\n"]
)
def test_strange_callers_are_sent_away(server: RenderServer, document: Path, words: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(60)
        caller.connect(server.address())
        caller.sendall(words)
        caller.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert caller.recv(100) == b""
    assert draw(server, document) == [1, 2]


def test_a_caller_that_says_nothing_holds_nobody_up(server: RenderServer, document: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(server.address())
        assert draw(server, document) == [1, 2]


def test_a_forked_process_uses_it_and_cannot_end_it(document: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from app.pipeline.render import RenderLimits, RenderServer, render_pages\n"
        "server = RenderServer()\n"
        "server.start()\n"
        "if os.fork() == 0:\n"
        "    server.start()\n"
        "    drawn = list(render_pages(server.address(), Path(sys.argv[1]), RenderLimits()))\n"
        "    server.close()\n"
        "    os._exit(len(drawn))\n"
        "drawn = os.waitstatus_to_exitcode(os.wait()[1])\n"
        "again = list(render_pages(server.address(), Path(sys.argv[1]), RenderLimits()))\n"
        "server.close()\n"
        "print(drawn, len(again))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(document)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "2 2\n", done.stderr


def test_it_ends_with_its_starter(tmp_path: Path) -> None:
    """And its child with it, and its folder: the starter could tidy nothing."""
    path = tmp_path / "order"
    path.write_bytes(order("rest"))
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from app.pipeline.render import RenderLimits, render_pages\n"
        "from tests.support.attacks import SubvertedServer\n"
        "server = SubvertedServer()\n"
        "server.start()\n"
        "pages = render_pages(server.address(), Path(sys.argv[1]), RenderLimits())\n"
        "print(server.pid(), next(pages)[1].text, server.address(), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        server, child, address = starter.stdout.readline().split()
        starter.kill()
    until(lambda: gone(int(server)) and gone(int(child)))
    until(lambda: not Path(address).parent.exists())


def test_a_server_that_was_told_to_stop_is_started_again(server: RenderServer, document: Path) -> None:
    pid, address = pid_of(server), server.address()
    os.kill(pid, signal.SIGTERM)
    until(lambda: gone(pid))
    assert not Path(address).exists()
    server.start()
    assert server.address() == address
    assert draw(server, document) == [1, 2]


def test_a_killed_server_takes_its_children_along(tmp_path: Path) -> None:
    path = tmp_path / "order"
    path.write_bytes(order("rest"))
    server = SubvertedServer()
    server.start()
    pages = render_pages(server.address(), path, LIMITS)
    child = int(next(pages)[1].text)
    os.kill(pid_of(server), signal.SIGKILL)
    until(lambda: gone(child))
    with pytest.raises(TransientFailure):
        next(pages)
    server.close()


def test_a_start_that_fails_says_why_and_what_to_do() -> None:
    class Broken(RenderServer):
        boot = RenderServer.boot.replace(
            "main(**options)", 'main(**(options | {"socket_path": "/nowhere/x"}))'
        )

    broken = Broken()
    with pytest.raises(RendererNotStarted, match=r"No such file.*pip install -r requirements.txt"):
        broken.start()
    assert broken.pid() is None
    with pytest.raises(RendererNotStarted, match="no address"):
        broken.address()


def test_a_worker_that_asks_for_pages_loads_no_renderer() -> None:
    heavy = {"pypdfium2", "pypdfium2_raw", "simplejpeg", "numpy", "PIL", "pdf2image"}
    program = f"import sys, app.pipeline.render; print(sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
