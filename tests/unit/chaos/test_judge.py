"""The judgement of a chaos run: what counts as lost, stuck, done twice, or paid again without a reason."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.documents import document, number_in, prompt_for
from tests.chaos.faults import Event
from tests.chaos.judge import Verdict, judge, recoveries
from tests.chaos.plan import KINDS, draw

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def clock(seconds: float) -> float:
    return at(seconds).timestamp()


def call(began: float, ended: float | None = None, error: str | None = None) -> dict[str, Any]:
    """An intent; its id is the second in which it began."""
    intent: dict[str, Any] = {"id": f"call-{began:g}", "batch": 0, "at": at(began)}
    if ended is not None:
        intent["ended_at"] = at(ended)
    return intent | ({"error": error} if error else {})


def record(number: int = 1, file_id: str = "a", **fields: Any) -> dict[str, Any]:
    """A document that was claimed at 1 s by worker-1.1, paid for at 2 s and done at 3 s."""
    done: dict[str, Any] = {
        "_id": file_id,
        "status": "api call done",
        "options": {"prompt": prompt_for(number)},
        "timeline": [
            {"status": "processing", "at": at(1)},
            {"status": "api call done", "at": at(3)},
        ],
        "attempts": [{"at": at(1), "duration_s": 2, "code": None, "worker": "worker-1.1"}],
        "calls": [call(2, 3)],
        "answers": {"0": {"call_id": "call-2", "at": at(3)}},
    }
    return done | fields


def twice(error: str | None = None) -> dict[str, Any]:
    """Paid at 2 s by worker-1.1, whose claim ended without an answer, and again at 12 s by worker-2.1."""
    return record(
        timeline=[
            {"status": "processing", "at": at(1)},
            {"status": "processing", "at": at(11)},
            {"status": "api call done", "at": at(13)},
        ],
        attempts=[
            {"at": at(1), "duration_s": 8, "code": "worker_died", "worker": "worker-1.1"},
            {"at": at(11), "duration_s": 2, "code": None, "worker": "worker-2.1"},
        ],
        calls=[call(2, 3 if error else None, error), call(12, 13)],
        answers={"0": {"call_id": "call-12", "at": at(13)}},
    )


def paid(number: int = 1, times: int = 1) -> list[dict[str, Any]]:
    return [{"number": number, "status": 200, "at": clock(2), "answered": clock(3)}] * times


def judged(
    *records: dict[str, Any], requests: list[dict[str, Any]], events: list[Event] | None = None
) -> Verdict:
    return judge({1: "a"}, records, requests, events or [])


def test_one_document_one_call_is_all_well() -> None:
    verdict = judged(record(), requests=paid())
    assert (verdict.lost, verdict.stuck, verdict.duplicated, verdict.unexplained) == ([], [], [], [])
    assert (verdict.accepted, verdict.paid_calls, verdict.extra_paid) == (1, 1, 0)


def test_an_accepted_document_without_a_record_is_lost() -> None:
    assert len(judged(requests=[]).lost) == 1


@pytest.mark.parametrize("status", ["failed", "cancelled", "queued", "processing"])
def test_whatever_did_not_end_well_is_lost(status: str) -> None:
    assert len(judged(record(status=status), requests=paid()).lost) == 1


@pytest.mark.parametrize(("status", "stuck"), [("queued", 1), ("saving", 1), ("failed", 0)])
def test_what_has_not_ended_is_stuck_accepted_or_not(status: str, stuck: int) -> None:
    assert len(judged(record(), record(2, "b", status=status), requests=paid()).stuck) == stuck


def test_two_records_for_one_upload_are_a_duplicate() -> None:
    assert judged(record(), record(1, "b"), requests=paid()).duplicated


def test_two_ends_of_one_record_are_a_duplicate() -> None:
    ends = [{"status": "api call done", "at": at(3)}] * 2
    assert judged(record(timeline=ends), requests=paid()).duplicated


def test_paid_again_without_a_reason_is_not_explained() -> None:
    verdict = judged(twice(), requests=paid(times=2))
    assert (verdict.extra_paid, len(verdict.unexplained)) == (1, 1)


def test_a_call_without_an_intent_is_never_explained() -> None:
    death = Event("horse", clock(2.5), clock(2.6), ("worker-1.1",))
    assert judged(record(calls=[]), requests=paid(), events=[death]).unexplained


@pytest.mark.parametrize(
    ("event", "explained"),
    [
        (Event("horse", clock(2.5), clock(2.6), ("worker-1.1",)), True),
        (Event("worker_and_horse", clock(2.5), clock(2.6), ("worker-1.1",)), True),
        (Event("freeze", clock(2.5), clock(11), ("worker-1.1",)), True),
        (Event("standstill", clock(2.5), clock(11), ("*",)), True),
        (Event("horse", clock(2.5), clock(2.6), ("worker-2.1",)), False),
        (Event("horse", clock(0.5), clock(0.6), ("worker-1.1",)), False),
        (Event("mongo_kill", clock(2.5), clock(4), ()), False),
        (Event("api_kill", clock(2.5), clock(4), ()), False),
    ],
)
def test_a_death_or_freeze_of_the_very_worker_between_intent_and_answer_explains(
    event: Event, explained: bool
) -> None:
    verdict = judged(twice(), requests=paid(times=2), events=[event])
    assert bool(verdict.unexplained) is not explained
    assert verdict.explained.total() == int(explained)


@pytest.mark.parametrize(("error", "explained"), [("model_timeout", True), ("model_error", False)])
def test_a_call_that_timed_out_may_have_been_paid(error: str, explained: bool) -> None:
    assert bool(judged(twice(error), requests=paid(times=2)).unexplained) is not explained


def test_one_reason_explains_one_extra_call() -> None:
    death = Event("horse", clock(2.5), clock(2.6), ("worker-1.1",))
    verdict = judged(twice(), requests=paid(times=3), events=[death])
    assert (verdict.extra_paid, verdict.explained.total(), len(verdict.unexplained)) == (2, 1, 1)


def test_refused_calls_are_not_paid() -> None:
    refused = [{"number": 1, "status": 429, "at": clock(2), "answered": clock(2)}]
    calls = [call(1.5, 1.6, "model_rate_limited"), call(2, 3)]
    verdict = judged(record(calls=calls), requests=[*paid(), *refused])
    assert (verdict.paid_calls, verdict.unexplained) == (1, [])


def test_recovery_counts_the_time_in_which_a_worker_was_idle() -> None:
    death = Event("horse", clock(3), clock(3.1), ("worker-1.1",))
    idle = [clock(second) for second in (2, 4, 5, 6, 30)]
    [(seconds, _)] = recoveries([twice()], [death], idle, 1.0)
    assert seconds == 3


def test_every_kind_is_drawn_and_the_seed_decides() -> None:
    plan = draw(7, 45)
    assert {one.kind for one in plan} == set(KINDS)
    assert plan == draw(7, 45)
    assert plan != draw(8, 45)
    assert all(0 < one.at_s < 45 for one in plan)
    assert [one.at_s for one in plan] == sorted(one.at_s for one in plan)


def test_a_short_run_still_draws_every_kind_asked_for() -> None:
    assert {one.kind for one in draw(1, 8, ["horse", "freeze"])} == {"horse", "freeze"}


def test_documents_are_all_different_and_named_in_their_prompt() -> None:
    assert len({document(seed, number) for seed in range(3) for number in range(20)}) == 60
    assert number_in(f"…{prompt_for(17)}…") == 17
    assert number_in("nothing of ours") is None
