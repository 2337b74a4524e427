"""The reconciler's loop: what runs when, and what a failing step or an absent database does to it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from app.config import SharedSettings
from app.queue.reconciler import Reconciler, Step

LEASE_S = 30


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class NoDatabase:
    """Hands out collections that nobody asks anything here."""

    def __getitem__(self, name: str) -> None:
        return None


class Work:
    """Steps that note when they ran; one whose `trouble` is set raises it."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.trouble: dict[str, Exception] = {}

    def step(self, name: str, **options: Any) -> Step:
        return Step(name, self._run(name), **options)

    def _run(self, name: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            self.ran.append(name)
            if name in self.trouble:
                raise self.trouble[name]

        return run


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def reconciler(clock: Clock, work: Work) -> Reconciler:
    settings = SharedSettings(lease_s=LEASE_S, reconcile_every_s=0.2)
    made = Reconciler(NoDatabase(), None, None, settings, clock)  # type: ignore[arg-type]
    made.steps = [work.step("leases", trusts_leases=True), work.step("bells"), work.step("rare", every_s=60)]
    return made


def tick(reconciler: Reconciler, work: Work) -> list[str]:
    work.ran.clear()
    asyncio.run(reconciler.tick())
    return list(work.ran)


def test_rare_steps_run_at_the_first_tick_and_then_rarely(
    reconciler: Reconciler, work: Work, clock: Clock
) -> None:
    assert tick(reconciler, work) == ["leases", "bells", "rare"]
    clock.at = 59
    assert tick(reconciler, work) == ["leases", "bells"]
    clock.at = 61
    assert tick(reconciler, work) == ["leases", "bells", "rare"]


@pytest.mark.parametrize("error", [RuntimeError("x"), OSError("disk"), OperationFailure("bad query", 2)])
def test_a_failing_step_keeps_no_other_from_running(
    reconciler: Reconciler, work: Work, error: Exception
) -> None:
    work.trouble["leases"] = error
    assert tick(reconciler, work) == ["leases", "bells", "rare"]
    assert tick(reconciler, work) == ["leases", "bells"]


@pytest.mark.parametrize("error", [AutoReconnect("gone"), OperationFailure("shutting down", 11600)])
def test_while_the_database_is_away_only_the_first_step_asks(
    reconciler: Reconciler, work: Work, error: Exception
) -> None:
    work.trouble["leases"] = error
    assert tick(reconciler, work) == ["leases"]


def test_after_an_outage_holders_have_time_to_renew_before_leases_are_judged(
    reconciler: Reconciler, work: Work, clock: Clock
) -> None:
    work.trouble["bells"] = AutoReconnect("gone")
    tick(reconciler, work)
    work.trouble.clear()
    clock.at = LEASE_S / 2 - 1
    assert "leases" not in tick(reconciler, work)
    clock.at = LEASE_S / 2 + 1
    assert "leases" in tick(reconciler, work)


def test_it_runs_until_it_is_told_to_stop_whatever_fails(reconciler: Reconciler, work: Work) -> None:
    work.trouble["bells"] = RuntimeError("x")

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(reconciler.run(stop))
        while work.ran.count("bells") < 3:
            await asyncio.sleep(0.01)
        stop.set()
        await asyncio.wait_for(running, 60)

    asyncio.run(run())
