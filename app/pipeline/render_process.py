"""Starts and ends the renderer's fork-server: one for a worker's parent, or for a whole pool."""

import contextlib
import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from app.pipeline.render_wire import POPPLER_TOOLS

_START_WAIT_S = 60.0
_END_WAIT_S = 10.0
_LONGEST_SOCKET_PATH = 100
_PACKAGES = ("pypdfium2", "pypdfium2_raw", "pypdfium2_cfg", "simplejpeg", "numpy")
_BOOT = """
import json, os, sys
options = json.loads(sys.argv[1])
sys.path += options.pop("paths")
os.putenv("OPENBLAS_NUM_THREADS", "1")  # numpy comes with simplejpeg; a process that forks wants no threads
from app.pipeline.render_server import main
os.unsetenv("OPENBLAS_NUM_THREADS")
main(**options)
"""


class RendererNotStarted(RuntimeError):
    """The worker cannot render; its message says what to do."""


class RenderServer:
    """The process that renders. A forked work-horse uses `address()` and leaves the rest to its parent."""

    boot = _BOOT

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._starter = 0
        self._report: dict[str, str] = {}

    def start(self) -> None:
        """Exec it, with an empty environment; ready when this returns. A dead one is started again."""
        if self._process is not None and (self._starter != os.getpid() or self._process.poll() is None):
            return
        if self._folder is None:
            self._folder = _private_folder()
        self._starter = os.getpid()
        options = {"paths": _import_paths(), "socket_path": self.address(), "tools": _poppler()}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", self.boot, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
        self._report = self._hear_ready(self._process)

    def address(self) -> str:
        """The socket that `render_pages` connects to, in a folder that only this user may enter."""
        if self._folder is None:
            raise RendererNotStarted("The renderer has no address before start() was called.")
        return str(self._folder / "render.sock")

    def pid(self) -> int | None:
        """The fork-server's process, for whoever measures it; its children are the documents being drawn."""
        return self._process.pid if self._process is not None else None

    def sandbox_report(self) -> dict[str, str]:
        """What the sandbox could get on this machine, for the start's log."""
        return dict(self._report)

    def close(self) -> None:
        """End it and what it is drawing; a forked child's call does nothing."""
        if self._process is None or self._starter != os.getpid():
            return
        _end(self._process)
        self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _hear_ready(self, process: subprocess.Popen[bytes]) -> dict[str, str]:
        assert process.stdout is not None
        line = b""
        if select.select([process.stdout], [], [], _START_WAIT_S)[0]:
            line = process.stdout.readline()
        process.stdout.close()
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            if "ready" in said:
                return dict(said["ready"])
            line = str(said.get("failed")).encode()
        self.close()
        raise RendererNotStarted(
            "The renderer's process did not start"
            f" ({line.decode(errors='replace').strip() or 'it said nothing'}). Are pypdfium2 and simplejpeg"
            " installed in this Python (pip install -r requirements.txt)?"
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Closing its standard input is what ends it; killing is for one that hangs."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_END_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _private_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="full-rag-render-"))
    if len(str(folder)) > _LONGEST_SOCKET_PATH - len("/render.sock"):
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="full-rag-render-", dir="/tmp"))
    return folder


def _import_paths() -> list[str]:
    """Where our code and the renderer's libraries lie; `-I -S` hides both from the new process."""
    paths = [str(Path(__file__).resolve().parents[2])]
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin:
            paths.append(str(Path(spec.origin).resolve().parents[1]))
    return list(dict.fromkeys(paths))


def _poppler() -> dict[str, str]:
    """Poppler's programs when all are on the PATH."""
    found = {tool: path for tool in POPPLER_TOOLS if (path := shutil.which(tool))}
    return found if len(found) == len(POPPLER_TOOLS) else {}
