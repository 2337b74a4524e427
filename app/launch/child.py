"""One child process with a log file, in a session of its own, so that its whole family can be ended.

Used by the launcher and by the embedded servers. A terminal's Ctrl-C does not reach such a child:
whoever started it decides when and in which order it stops.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.launch.family import family, kill_all

PR_SET_PDEATHSIG = 1


class Child:
    """A process that can be started again and again; `log` collects what all of its lives print."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        die_with_parent: bool = False,
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.log = log
        self.env = dict(env) if env is not None else None
        self.cwd = cwd
        self.lives: list[int] = []
        """The process ids, which are also the session ids, of all that were started."""
        self._die_with_parent = die_with_parent
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self.running:
            raise RuntimeError(f"{self.name} is running already (pid {self.pid})")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
                preexec_fn=_parent_watch() if self._die_with_parent else None,
            )
        self.lives.append(self._process.pid)

    @property
    def pid(self) -> int:
        """The last life's process id; raises when it was never started."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        return self._process.poll() if self._process is not None else None

    def signal(self, number: int) -> None:
        """Send a signal to the process alone, not to its family."""
        if self.running and self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9 of the process alone, as a crash would do it; its children stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wait(self, timeout: float) -> bool:
        """Whether it ended within `timeout` seconds."""
        if self._process is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        return not self.running

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM, `grace` seconds to finish, then SIGKILL for whatever is left of its families."""
        if self._process is None:
            return
        members = [process for session in self.lives for process in family(session)]
        self.signal(signal.SIGTERM)
        self.wait(grace)
        kill_all([*members, *(process for session in self.lives for process in family(session))])
        self._process.wait()

    def tail(self, lines: int = 20) -> str:
        """The last lines of the log, for an error's text."""
        if not self.log.exists():
            return ""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, maxlen=lines)).rstrip()


def _parent_watch() -> "_DieWithParent | None":
    """Linux ends the child when the *thread* that forked it ends, so only the main thread may ask for it."""
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    return _DieWithParent()


class _DieWithParent:
    """Called in the forked child, before exec; the library is loaded before the fork."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        self._parent = os.getpid()

    def __call__(self) -> None:
        self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._parent:
            os._exit(1)
