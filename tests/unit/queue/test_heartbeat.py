"""The heartbeat's thread: renews, notices a lost hold, ends at the deadline, lets go when told to hurry."""

import threading
import time

from pymongo.errors import AutoReconnect

from app.db.transitions.work import Hold
from app.queue.heartbeat import Heartbeat
from app.queue.hold import Holding
from app.queue.stop import Stop

PATIENCE_S = 60.0
SHORT_LEASE_S = 0.08


def holding(lease_s: float = SHORT_LEASE_S, job_s: float = 3600) -> Holding:
    return Holding(Hold("token", "worker", 1, "host"), lease_s, job_s, Stop())


class Renewals:
    """Counts, and answers from a list (the last answer stays)."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.count = 0
        self.third = threading.Event()

    def __call__(self) -> bool:
        self.count += 1
        if self.count >= 3:
            self.third.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def never() -> None:
    raise AssertionError("abandoned although nobody asked to stop")


def test_renews_again_and_again() -> None:
    renewals = Renewals(True)
    beat = Heartbeat(holding(), renewals, never, 10)
    beat.start()
    assert renewals.third.wait(PATIENCE_S)
    beat.end()


def test_a_refused_renewal_loses_the_hold_and_ends_it() -> None:
    held = holding()
    renewals = Renewals(False)
    beat = Heartbeat(held, renewals, never, 10)
    beat.start()
    assert held._lost.wait(PATIENCE_S)
    beat.end()
    assert renewals.count == 1


def test_a_database_that_is_away_is_asked_again_and_loses_nothing() -> None:
    held = holding()
    renewals = Renewals(AutoReconnect("away"), AutoReconnect("away"), True)
    beat = Heartbeat(held, renewals, never, 10)
    beat.start()
    assert renewals.third.wait(PATIENCE_S)
    beat.end()
    assert not held.lost


def test_ends_at_the_deadline_so_that_a_hung_job_loses_its_lease() -> None:
    renewals = Renewals(True)
    beat = Heartbeat(holding(job_s=0), renewals, never, 10)
    beat.start()
    beat._thread.join(PATIENCE_S)
    assert not beat._thread.is_alive()
    assert renewals.count == 0


def test_lets_go_once_when_the_grace_is_over() -> None:
    held = holding(lease_s=3600)
    let_go = threading.Event()
    beat = Heartbeat(held, Renewals(True), let_go.set, grace_s=0)
    held.stop.ask()
    beat.start()
    assert let_go.wait(PATIENCE_S)
    beat.end()


def test_waits_for_the_grace_while_nobody_hurries() -> None:
    held = holding()
    renewals = Renewals(True)
    let_go = threading.Event()
    beat = Heartbeat(held, renewals, let_go.set, grace_s=3600)
    held.stop.ask()
    beat.start()
    assert renewals.third.wait(PATIENCE_S)
    assert not let_go.is_set()
    held.stop.ask()
    assert let_go.wait(PATIENCE_S)
    beat.end()


def test_a_renewal_by_hand_counts_from_its_question() -> None:
    held = holding(lease_s=3600)
    before = time.monotonic()
    assert Heartbeat(held, Renewals(True), never, 10).beat()
    assert held._renewed_at >= before
