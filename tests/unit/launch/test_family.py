"""Stopping in order, with everything that the processes started themselves."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.launch.child import Child
from app.launch.family import end_orphans, family, is_alive, stop_in_order

WAIT_S = 60.0
# A parent whose child left the process group, as RQ's work-horses do, or the session, as the renderer does.
PARENT = """
import os, subprocess, sys, time
code = "import time; print('child', flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", code], preexec_fn=getattr(os, sys.argv[1]))
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("child", flush=True)
time.sleep(600)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Start Python code that prints "child" when it (or its child) is there."""
    children: list[Child] = []

    def start(code: str, *arguments: str) -> Child:
        child = Child("x", [sys.executable, "-c", code, *arguments], log=tmp_path / f"{len(children)}.log")
        children.append(child)
        child.start()
        deadline = time.monotonic() + WAIT_S
        while "child" not in child.tail():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return child

    yield start
    for child in children:
        child.stop(grace=0)


@pytest.mark.parametrize("leaves", ["setpgrp", "setsid"])
def test_family_is_ended_whole_though_a_child_left_the_group_or_the_session(
    start: Callable[..., Child], leaves: str
) -> None:
    child = start(PARENT, leaves)
    members = family(child.pid)
    assert len(members) == 2
    stop_in_order([(0.2, [child.pid])])
    assert [member for member in members if is_alive(member)] == []


def test_one_that_ignores_the_request_is_killed_after_the_grace(start: Callable[..., Child]) -> None:
    child = start(STUBBORN)
    stop_in_order([(0.2, [child.pid])])
    assert child.wait(WAIT_S)
    assert child.returncode == -signal.SIGKILL


def test_hurry_ends_the_patience(start: Callable[..., Child]) -> None:
    child = start(STUBBORN)
    stop_in_order([(3600, [child.pid])], hurried=lambda: True)
    assert child.wait(WAIT_S)


def test_second_group_is_asked_only_when_the_first_is_gone(start: Callable[..., Child]) -> None:
    first = start("import time; print('child', flush=True); time.sleep(600)")
    watcher = """
import os, signal, sys, time
def asked(*_):
    try:
        os.kill(int(sys.argv[1]), 0)
        state = open(f"/proc/{sys.argv[1]}/stat").read().rsplit(")", 1)[1].split()[0]
    except OSError:
        state = "gone"
    print("first is", state, flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, asked)
print("child", flush=True)
while True:
    time.sleep(1)
"""
    second = start(watcher, str(first.pid))
    stop_in_order([(WAIT_S, [first.pid]), (WAIT_S, [second.pid])])
    assert second.tail().endswith(("first is Z", "first is gone"))


def test_workers_of_a_killed_pool_are_asked_to_stop(start: Callable[..., Child]) -> None:
    child = start(PARENT, "setpgrp")
    orphan = next(p for p in psutil.Process(child.pid).children())
    child.kill()
    end_orphans(child.pid)
    psutil.wait_procs([orphan], timeout=WAIT_S)
    assert not is_alive(orphan)


def test_a_number_that_is_no_session_is_not_signalled(start: Callable[..., Child]) -> None:
    child = start(PARENT, "setpgrp")
    other = next(p for p in psutil.Process(child.pid).children())
    stop_in_order([(0, [other.pid])])
    assert is_alive(other)
