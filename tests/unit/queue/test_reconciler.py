"""The reconciler's loop: what runs when, and what a failing step or an absent database does to it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from app.config import SharedSettings
from app.db import clock as clock_module
from app.queue.reconciler import Reconciler, Step

LEASE_S = 30
EVERY_S = 2
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class ClockOnly:
    """A database that says what time it is: the clock's, plus a jump."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.jump_s = 0.0

    def __getitem__(self, name: str) -> None:
        return None

    async def command(self, name: str) -> dict[str, datetime]:
        return {"localTime": NOON + timedelta(seconds=self._clock.at + self.jump_s)}


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
def database(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> ClockOnly:
    monkeypatch.setattr(clock_module, "time", SimpleNamespace(monotonic=clock))
    return ClockOnly(clock)


@pytest.fixture
def reconciler(database: ClockOnly, clock: Clock, work: Work) -> Reconciler:
    settings = SharedSettings(lease_s=LEASE_S, reconcile_every_s=EVERY_S)
    made = Reconciler(database, None, None, settings, clock)  # type: ignore[arg-type]
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
    clock.at = 2
    assert tick(reconciler, work) == ["leases", "bells"]
    clock.at = 59
    assert "rare" not in tick(reconciler, work)
    clock.at = 61
    assert "rare" in tick(reconciler, work)


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


def until(reconciler: Reconciler, work: Work, clock: Clock, at: float) -> None:
    """Tick every two seconds up to then."""
    while clock.at < at:
        tick(reconciler, work)
        clock.at += EVERY_S


def test_after_an_outage_holders_have_time_to_renew_before_leases_are_judged(
    reconciler: Reconciler, work: Work, clock: Clock
) -> None:
    until(reconciler, work, clock, 10)
    work.trouble["leases"] = work.trouble["bells"] = AutoReconnect("gone")
    until(reconciler, work, clock, 30)
    work.trouble.clear()
    until(reconciler, work, clock, 30 + LEASE_S / 2)
    assert "leases" not in work.ran
    until(reconciler, work, clock, 34 + LEASE_S / 2)
    assert "leases" in work.ran


def test_an_outage_too_short_for_a_lease_to_run_out_delays_nothing(
    reconciler: Reconciler, work: Work, clock: Clock
) -> None:
    until(reconciler, work, clock, 10)
    work.trouble["leases"] = work.trouble["bells"] = AutoReconnect("gone")
    until(reconciler, work, clock, 14)
    work.trouble.clear()
    assert "leases" in tick(reconciler, work)


def test_a_process_that_stood_still_lets_holders_renew_first(
    reconciler: Reconciler, work: Work, clock: Clock
) -> None:
    until(reconciler, work, clock, 10)
    clock.at += 3600
    assert "leases" not in tick(reconciler, work)


def test_a_machine_that_slept_lets_holders_renew_first(
    reconciler: Reconciler, work: Work, clock: Clock, database: ClockOnly
) -> None:
    """Our clock stood still meanwhile, the database's did not: it shows when that is asked again."""
    until(reconciler, work, clock, 10)
    database.jump_s = 3600
    until(reconciler, work, clock, 60)
    assert "leases" in work.ran
    until(reconciler, work, clock, 66)
    assert "leases" not in work.ran


def test_slow_ticks_do_not_keep_leases_from_being_judged(
    reconciler: Reconciler, work: Work, clock: Clock
) -> None:
    async def slow() -> None:
        clock.at += LEASE_S

    reconciler.steps.append(Step("slow", slow))
    for _ in range(3):
        assert "leases" in tick(reconciler, work)
        clock.at += EVERY_S


def test_at_the_start_holders_have_time_to_renew_and_nothing_but_stop_ends_the_run(
    reconciler: Reconciler, work: Work, clock: Clock
) -> None:
    work.trouble["bells"] = RuntimeError("x")

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(reconciler.run(stop))
        await ran("bells", 2)
        assert "leases" not in work.ran
        while clock.at <= LEASE_S / 2:
            clock.at += EVERY_S
            await ran("bells", work.ran.count("bells") + 2)
        assert "leases" in work.ran
        stop.set()
        await asyncio.wait_for(running, 60)

    async def ran(step: str, times: int) -> None:
        async with asyncio.timeout(60):
            while work.ran.count(step) < times:
                await asyncio.sleep(0.01)

    reconciler.every_s = 0.01
    asyncio.run(run())
