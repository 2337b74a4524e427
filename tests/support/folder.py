"""A copy of the program in a folder of a test's own, and the launcher run in it as `./run.sh` runs it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from app.embedded import free_port
from tests.support.stack import ROOT, clean_environment

PATIENCE_S = 120.0


def until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:.0f} s for {what}"
        time.sleep(0.1)


class Folder:
    """A folder of the program's own: its code is this repository's, its data and its port are not."""

    def __init__(self, path: Path) -> None:
        self.path = path / "a folder with blanks"
        self.path.mkdir()
        shutil.copytree(ROOT / "app", self.path / "app", ignore=shutil.ignore_patterns("__pycache__"))
        (self.path / "examples").symlink_to(ROOT / "examples")
        self.port = free_port()
        self.screen = self.path / "screen.txt"
        self.started: list[subprocess.Popen[bytes]] = []

    def command(self, *arguments: str) -> list[str]:
        """What run.sh ends in, with the Python that runs the tests: its set-up has tests of its own."""
        return [sys.executable, "-m", "app.launch", *arguments]

    def env(self, **settings: str) -> dict[str, str]:
        python = {"PYTHONPATH": str(self.path), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
        return clean_environment(**python, PORT=str(self.port), WORKERS="1") | settings

    def start(self, **settings: str) -> subprocess.Popen[bytes]:
        with self.screen.open("wb") as screen:
            process = subprocess.Popen(
                self.command("run"),
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=subprocess.STDOUT,
                env=self.env(**settings),
                cwd="/",
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.env(**settings),
            cwd="/",
            timeout=PATIENCE_S,
            check=False,
        )

    def ready(self) -> None:
        until(lambda: "Ready after" in self.text() or self.started[-1].poll() is not None, "the service")
        assert "Ready after" in self.text(), self.text()

    def text(self) -> str:
        return self.screen.read_text(encoding="utf-8") if self.screen.exists() else ""

    def env_file(self) -> dict[str, str]:
        """What a shell knows after `. .data/env`."""
        script = 'set -a; . "$1"; set +a; env -0'
        file = self.path / ".data" / "env"
        done = subprocess.run(
            ["bash", "-c", script, "-", str(file)],
            capture_output=True,
            check=True,
            env={"PATH": os.environ["PATH"]},
        )
        pairs = (entry.partition("=") for entry in done.stdout.decode().split("\0") if entry)
        return {name: value for name, _, value in pairs}

    def is_ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port}/health/ready"
            return httpx.get(url, timeout=10, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """Stop what a test left running, and print the screen: pytest shows it where the test failed."""
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE_S)
        print(self.text())
