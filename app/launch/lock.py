"""One service in one folder: a lock on the data folder, held as long as anything of it runs."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

import psutil

from app.launch.family import is_alive

STILL_STOPPING_S: Final = 60.0


class AlreadyRunning(Exception):
    """Another ./run.sh has this folder; the text says which process."""


class FolderLock:
    """Its file says who holds it; the kernel frees it when the last process that inherited it is gone."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="utf-8")

    def fileno(self) -> int:
        return self._file.fileno()

    def take(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.describe("")
        return True

    def describe(self, url: str) -> None:
        self._file.truncate(0)
        self._file.write(f"{os.getpid()} {url}")
        self._file.flush()

    def holder(self) -> tuple[int | None, str]:
        """(process id, URL) as the holder wrote them."""
        self._file.seek(0)
        pid, _, url = self._file.read().partition(" ")
        return (int(pid) if pid.isdigit() else None), url

    def close(self) -> None:
        self._file.close()


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and is_alive(psutil.Process(pid))


def lock_folder(data: Path) -> FolderLock:
    """The lock, taken. Waits while a launcher that was killed is still being cleaned up after."""
    lock = FolderLock(data / "lock")
    deadline = time.monotonic() + STILL_STOPPING_S
    while not lock.take():
        pid, url = lock.holder()
        if (pid is not None and _lives(pid)) or time.monotonic() > deadline:
            lock.close()
            where = f", {url}" if url else ""
            raise AlreadyRunning(
                f"Full-RAG already runs in this folder (process {pid}{where}). Use that one, or stop it "
                f"with Ctrl-C in its terminal or with: kill {pid}"
            )
        time.sleep(0.1)
    return lock
