"""Ends processes together with everything they started, in order and with patience."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence

import psutil

TICK_S = 0.05
KILL_S = 10.0


def family(session: int) -> list[psutil.Process]:
    """Every process in a child's session, and what descends from them in sessions of their own.

    RQ's work-horses leave their parent's process group and the renderer leaves its session, so neither
    a group nor a session alone would find all of them.
    """
    processes = list(psutil.process_iter())
    members = {process.pid for process in processes if _session_of(process.pid) == session}
    parents = {process.pid: _parent_of(process) for process in processes}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return [process for process in processes if process.pid in members - {os.getpid()}]


def end_orphans(session: int) -> None:
    """SIGTERM to those whose parent, the session's first process, died: a pool's workers would never end."""
    members = family(session)
    pids = {process.pid for process in members}
    for process in members:
        if _parent_of(process) not in pids:
            with contextlib.suppress(psutil.Error):
                process.terminate()


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """kill -9; returns when they are gone (or, for our own children, wait to be reaped)."""
    members = list(processes)
    for process in members:
        with contextlib.suppress(psutil.Error):
            process.kill()
    deadline = time.monotonic() + KILL_S
    while time.monotonic() < deadline and any(map(is_alive, members)):
        time.sleep(TICK_S / 5)


Group = tuple[float, Sequence[int]]
"""Seconds to wait for them, and the sessions to stop at the same time."""


def stop_in_order(groups: Sequence[Group], hurried: Callable[[], bool] = lambda: False) -> None:
    """SIGTERM one group after the other, wait for each as long as it may take, kill what is left of it.

    `hurried` is asked all the time: once it is true nothing is waited for any more.
    """
    for grace, group in groups:
        families = [family(session) for session in group]
        members = [process for found in families for process in found]
        for session in group:
            if _session_of(session) == session:  # else it is gone, and its number may be another's
                os.kill(session, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and not hurried() and any(map(is_alive, members)):
            time.sleep(TICK_S)
        kill_all([*members, *(process for session in group for process in family(session))])


def is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _session_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return None


def _parent_of(process: psutil.Process) -> int | None:
    with contextlib.suppress(psutil.Error):
        return process.ppid()
    return None
