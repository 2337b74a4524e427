"""A process beside the launcher that stops everything in order when the launcher is killed with -9.

It learns through a pipe what runs; the pipe's end is the news of the launcher's death. It sits in a
session of its own, so that what ends the launcher's terminal or process group does not end it. It also
inherits the lock on the data folder, and so keeps it until the stores have really let go.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from app.launch.family import Group, stop_in_order

ROOT = Path(__file__).resolve().parents[2]
GRACE_S = 10.0


class Guardian:
    """The launcher's side: starts the process and tells it what to stop."""

    def __init__(self, inherit: Sequence[int] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.launch.guardian"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=tuple(inherit),
            cwd=ROOT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def watch(self, groups: Sequence[Group]) -> None:
        """From now on these sessions are stopped, group by group, when this process dies."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(groups).encode() + b"\n")
            self._process.stdin.flush()

    def dismiss(self) -> None:
        """Everything was stopped: there is nothing left to do."""
        self.watch([])
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()


def main(news: IO[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: list[Group] = []
    for line in news:
        if line.endswith(b"\n"):
            groups = json.loads(line)
    stop_in_order([(min(grace, GRACE_S), sessions) for grace, sessions in groups])


if __name__ == "__main__":
    main(sys.stdin.buffer)
