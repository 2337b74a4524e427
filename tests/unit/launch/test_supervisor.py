"""What died is started again, later and later; what never lives long is given up with its last words."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.launch.child import Child
from app.launch.supervisor import MOST_QUICK_DEATHS, QUICK_S, GaveUp, Supervisor

WAIT_S = 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], log=tmp_path / "x.log")
    child.start()
    yield child
    child.stop(grace=0)


def test_living_process_is_left_alone(child: Child, clock: Clock) -> None:
    pid = child.pid
    Supervisor([child], clock=clock).poll()
    assert child.pid == pid


def test_killed_process_comes_back_after_a_pause_and_its_new_id_is_told(child: Child, clock: Clock) -> None:
    told: list[int] = []
    supervisor = Supervisor([child], changed=lambda: told.append(child.pid), clock=clock)
    first = child.pid
    child.kill()
    supervisor.poll()
    supervisor.poll()
    assert not child.running, "not before the pause is over"
    clock.now += 5
    supervisor.poll()
    assert child.running
    assert told == [child.pid] != [first]


def test_process_that_always_ends_at_once_is_given_up_with_its_last_words(
    tmp_path: Path, clock: Clock
) -> None:
    child = Child(
        "api", [sys.executable, "-c", "print('no such luck'); raise SystemExit(3)"], log=tmp_path / "x"
    )
    child.start()
    supervisor = Supervisor([child], clock=clock)
    starts = 1
    with pytest.raises(GaveUp, match=r"(?s)api ended with exit code 3.*no such luck"):
        for _ in range(10 * MOST_QUICK_DEATHS):
            child.wait(WAIT_S)
            supervisor.poll()
            clock.now += 1
            starts = len(child.lives)
    assert starts == MOST_QUICK_DEATHS


def test_process_that_lives_long_between_its_deaths_is_never_given_up(child: Child, clock: Clock) -> None:
    supervisor = Supervisor([child], clock=clock)
    for _ in range(2 * MOST_QUICK_DEATHS):
        clock.now += QUICK_S + 1
        child.kill()
        supervisor.poll()
        clock.now += 1
        supervisor.poll()
        assert child.running
