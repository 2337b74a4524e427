"""The work-horse's hold on a record: fresh, stale, lost, out of time, asked to stop."""

import pytest

from app.db.transitions.work import Hold
from app.domain.errors import HandBack, LostClaim
from app.queue.hold import Holding, TookTooLong
from app.queue.stop import Stop

LEASE_S = 30.0
JOB_S = 900.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def holding(clock: Clock) -> Holding:
    return Holding(Hold("token", "worker", 1, "host"), LEASE_S, JOB_S, Stop(), clock)


def test_a_new_hold_is_fresh_for_half_a_lease(holding: Holding, clock: Clock) -> None:
    clock.now += LEASE_S / 2 - 0.01
    assert holding.fresh()
    clock.now += 0.01
    assert not holding.fresh()


def test_a_renewal_counts_from_its_question_not_from_its_late_answer(holding: Holding, clock: Clock) -> None:
    asked_at = clock.now
    clock.now += LEASE_S / 2
    holding.renewed(asked_at)
    assert not holding.fresh()


def test_an_older_renewal_that_arrives_late_takes_nothing_back(holding: Holding, clock: Clock) -> None:
    clock.now += 10
    holding.renewed(clock.now)
    holding.renewed(clock.now - 10)
    clock.now += LEASE_S / 2 - 1
    assert holding.fresh()


def test_check_passes_while_all_is_well(holding: Holding) -> None:
    holding.check()


def test_a_lost_hold_stops_everything_even_when_asked_to_stop(holding: Holding) -> None:
    holding.lose()
    holding.stop.ask()
    with pytest.raises(LostClaim):
        holding.check()


def test_a_wish_to_stop_hands_back(holding: Holding) -> None:
    holding.stop.ask()
    with pytest.raises(HandBack):
        holding.check()
    holding.still_held()


def test_the_deadline_costs_an_attempt_where_nothing_was_got_on_with(holding: Holding, clock: Clock) -> None:
    clock.now += JOB_S
    with pytest.raises(TookTooLong) as caught:
        holding.check()
    assert caught.value.costs_attempt


def test_the_deadline_costs_no_attempt_where_answers_were_saved(holding: Holding, clock: Clock) -> None:
    holding.saved_answers = 1
    clock.now += JOB_S
    with pytest.raises(TookTooLong) as caught:
        holding.check()
    assert not caught.value.costs_attempt


def test_grace_is_over_at_once_when_asked_twice() -> None:
    stop = Stop()
    assert not stop.grace_over(0)
    stop.ask()
    assert stop.grace_over(0)
    assert not stop.grace_over(3600)
    stop.ask()
    assert stop.grace_over(3600)
