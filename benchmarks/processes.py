"""The processes that are measured: the service as `./run.sh` starts it, and helpers of the suite's own."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from app.launch.child import Child
from app.launch.environment import python_environment
from app.launch.service import Service
from benchmarks.documents import ROOT

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
PATIENCE_S = 120.0


def clean_environment() -> dict[str, str]:
    """No setting of the service and no key of the user: all figures are of the defaults."""
    ours = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return ours | python_environment(ROOT)


@contextmanager
def service(folder: Path, settings: Mapping[str, str], workers: int = 0) -> Iterator[Service]:
    """The service on a free port, with its embedded stores under `folder`."""
    env = clean_environment() | {"PORT": "0", "WORKERS": str(workers)} | dict(settings)
    running = Service(ROOT, folder, env)
    try:
        running.start(lambda: False)
        yield running
    finally:
        running.stop()


def child_of(running: Service, name: str) -> Child:
    return next(child for child in running.children if child.name == name)


@contextmanager
def helper(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator["Helper"]:
    """A module of the suite as a process of its own, which says on its first line that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=clean_environment() | dict(env or {}),
    )
    one = Helper(module, process)
    try:
        one.ready = one.hear()
        yield one
    finally:
        process.kill()
        process.communicate()


class Helper:
    """Talks in lines of JSON over standard input and output."""

    def __init__(self, name: str, process: "subprocess.Popen[str]") -> None:
        self.ready: Any = None
        self._name = name
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, question: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self.hear()

    def hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended without an answer")
        return json.loads(line)


def until_answers(url: str) -> None:
    """Until a server answers anything at all."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            httpx.get(url, timeout=5, trust_env=False)
            return
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def machine() -> str:
    """One line on where this was measured."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {cores} core{'s' if cores > 1 else ''}, {memory:.0f} GB, Linux "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}; "
        f"load at the start {os.getloadavg()[0]:.1f}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
