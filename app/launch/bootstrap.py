"""Sets up `.venv` and goes on in it: the part of `./run.sh` that runs before anything is installed.

Standard library only. A stamp holds a hash of the requirement files, so that the next run skips all of
this; an install that was interrupted leaves a mark and is started afresh.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from app.launch.installer import InstallError, embedded_requirements, install
from app.launch.screen import say

ROOT: Final = Path(__file__).resolve().parents[2]
VENV: Final = ROOT / ".venv"
PYTHON: Final = VENV / "bin" / "python"
# Each level holds what the ones before it hold.
LEVELS: Final = ("runtime", "embedded", "dev")
MODULES: Final = {"test": "pytest", "bench": "benchmarks", "chaos": "tests.chaos"}


def main(argv: Sequence[str]) -> NoReturn:
    """`argv`: the level of set-up, then what the user typed after ./run.sh. Becomes the program itself."""
    level, command, arguments = argv[0], (argv[1] if len(argv) > 1 else "run"), list(argv[2:])
    signal.signal(signal.SIGINT, _interrupted)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        prepare(level)
    except InstallError as error:
        say(str(error))
        sys.exit(1)
    if command == "cli":  # stays in the user's folder: files are named from there
        program = ["app.cli", *arguments]
    elif command in MODULES:
        os.chdir(ROOT)
        program = [MODULES[command], *arguments]
    else:
        program = ["app.launch", command, *arguments]
    os.execv(PYTHON, [str(PYTHON), "-m", *program])  # noqa: S606 - no shell is wanted


def _interrupted(number: int, _frame: FrameType | None) -> NoReturn:
    """Also where SIGINT was ignored by whoever started us: Ctrl-C must work."""
    sys.exit(128 + number)


def prepare(level: str) -> None:
    """Make `.venv` hold what `level` needs; returns at once when it does."""
    if is_ready(level):
        return
    with _one_at_a_time():
        if is_ready(level):
            return
        if not _venv_is_usable():
            _make_venv()
        mark = VENV / ".setting-up"
        mark.touch()
        install(PYTHON, _requirement_files(level), ROOT / ".data" / "logs" / "setup.log")
        _stamp(level).write_text(digest(level), encoding="utf-8")
        mark.unlink()


def is_ready(level: str) -> bool:
    if (VENV / ".setting-up").exists() or not PYTHON.exists():
        return False
    for enough in LEVELS[LEVELS.index(level) :]:
        stamp = _stamp(enough)
        if stamp.exists() and stamp.read_text(encoding="utf-8") == digest(enough):
            return True
    return False


def digest(level: str) -> str:
    """Changes with the requirements, and with the folder and the Python that a `.venv` is bound to."""
    names = ["requirements.txt"] + ([] if level == "runtime" else ["requirements-dev.txt"])
    parts = [str(ROOT), str(PYTHON.resolve()), *((ROOT / name).read_text(encoding="utf-8") for name in names)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _stamp(level: str) -> Path:
    return VENV / f".ready-{level}"


def _requirement_files(level: str) -> list[Path]:
    if level == "dev":
        return [ROOT / "requirements-dev.txt"]
    files = [ROOT / "requirements.txt"]
    if level == "embedded":
        extra = VENV / "embedded.txt"
        extra.write_text(embedded_requirements(files[0], ROOT / "requirements-dev.txt"), encoding="utf-8")
        files.append(extra)
    return files


def _venv_is_usable() -> bool:
    """Not one whose set-up was interrupted, nor one made in another folder or by a Python that is gone."""
    if (VENV / ".setting-up").exists() or not PYTHON.exists():
        return False
    pip = VENV / "bin" / "pip"
    if not pip.exists() or str(VENV) not in pip.read_text(encoding="utf-8", errors="replace")[:1000]:
        return False
    return (
        subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    )


def _make_venv() -> None:
    if find_spec("ensurepip") is None or find_spec("venv") is None:
        raise InstallError(missing_venv_text(sys.version_info[:2]))
    say(f"Making .venv with Python {sys.version.split()[0]}.")
    # Inside a .venv that is about to be replaced, its parent Python must do it.
    maker = getattr(sys, "_base_executable", None) or sys.executable
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    (VENV / ".setting-up").touch()
    done = subprocess.run([maker, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stdout + done.stderr).strip()
        raise InstallError(f"{missing_venv_text(sys.version_info[:2])}\nPython said: {words}")


def missing_venv_text(version: tuple[int, int]) -> str:
    name = f"python{version[0]}.{version[1]}-venv"
    return (
        "This Python cannot make a virtual environment: a part of it is not installed. "
        f"On Debian and Ubuntu: apt-get install {name} (or python3-venv). Then run the command again."
    )


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two set-ups in one folder would write over each other."""
    folder = ROOT / ".data"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "setup.lock").open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another ./run.sh is setting up this folder: waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main(sys.argv[1:])
