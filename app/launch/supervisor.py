"""Starts ended processes again, with growing pauses, and gives up on one that never lives long."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from app.launch.child import Child
from app.launch.family import end_orphans
from app.launch.screen import say

QUICK_S: Final = 10.0
MOST_QUICK_DEATHS: Final = 6
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0


class GaveUp(Exception):
    """A process ended again and again; the text says which one and its last words."""


@dataclass
class _Watched:
    child: Child
    started: float
    quick_deaths: int = 0
    due: float | None = None


class Supervisor:
    """`poll()` often: it never blocks. `changed` is called after each start, with new process ids."""

    def __init__(
        self,
        children: Iterable[Child],
        *,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._watched = [_Watched(child, clock()) for child in children]

    def poll(self) -> None:
        for watched in self._watched:
            if watched.child.running:
                continue
            if watched.due is None:
                self._died(watched)
            elif self._clock() >= watched.due:
                watched.child.start()
                watched.started, watched.due = self._clock(), None
                self._changed()

    def _died(self, watched: _Watched) -> None:
        child = watched.child
        lived = self._clock() - watched.started
        watched.quick_deaths = watched.quick_deaths + 1 if lived < QUICK_S else 1
        end_orphans(child.pid)
        how = _how(child.returncode)
        if watched.quick_deaths >= MOST_QUICK_DEATHS:
            raise GaveUp(
                f"{child.name} {how} for the {watched.quick_deaths}th time within seconds of its start. "
                f"Its last words (all of them: {child.log}):\n{child.tail(15)}"
            )
        pause = min(FIRST_PAUSE_S * 2 ** (watched.quick_deaths - 1), LONGEST_PAUSE_S)
        watched.due = self._clock() + pause
        say(f"  {child.name} {how}; starting it again in {pause:.1f} s (log: {child.log})")


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by signal {-code}"
    return f"ended with exit code {code}"
