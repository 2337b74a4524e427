"""What an attempt adds to the tallies, from the record that it left."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import ConnectionFailure

from app.queue.attempt_tally import attempt_of, count_attempt

T0 = datetime(2026, 1, 1, tzinfo=UTC)
MINE, OTHERS = "mine", "others"


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


CLAIMED = {"claimed_at": at(10), "queued_at": at(0), "next_try_at": at(4), "accepted_at": at(0)}


def left(**more: Any) -> dict[str, Any]:
    """A document that was drawn in 2 s and analysed in 5 s."""
    return {
        "status": "api call done",
        "ended_by": MINE,
        "accepted_at": at(0),
        "ended_at": at(17),
        "pages": 12,
        "usage": {"cached": False},
        "calls": [],
        "answers": {},
        "attempts": [{"at": at(10), "code": None}],
        "timeline": [
            {"status": "conversion complete", "at": at(1)},
            {"status": "processing", "at": at(10)},
            {"status": "conversion complete", "at": at(12)},
        ],
    } | more


def seconds_of(added: Any, stage: str) -> float:
    return float(added.get(("stages", stage, "sum_s"), 0))


def test_finished_attempt_counts_its_pages_and_the_time_of_each_stage() -> None:
    added = attempt_of(CLAIMED, left(), MINE)
    assert added["attempts", "done"] == 1
    assert added["pages",] == 12
    assert [seconds_of(added, stage) for stage in ("wait", "render", "analyse", "total")] == [6, 2, 5, 17]
    assert added["stages", "render", "buckets", "2500"] == 1


def test_copied_analysis_costs_and_draws_nothing() -> None:
    added = attempt_of(CLAIMED, left(usage={"cached": True}), MINE)
    assert added["attempts", "copied"] == 1
    assert ("pages",) not in added
    assert [seconds_of(added, stage) for stage in ("render", "analyse", "total")] == [0, 0, 17]


def test_pages_that_were_drawn_before_are_not_drawn_again() -> None:
    added = attempt_of(CLAIMED | {"pages": 12}, left(), MINE)
    assert not any("render" in path for path in added)
    assert seconds_of(added, "analyse") == 5


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"status": "failed"}, "failed"),
        ({"status": "cancelled", "ended_by": "a person"}, "lost"),
        ({"status": "queued", "ended_by": None, "left_by": MINE, "attempts": []}, "handed_back"),
        ({"status": "processing", "ended_by": None, "left_by": OTHERS}, "lost"),
    ],
)
def test_outcome_is_what_this_attempt_wrote(facts: dict[str, Any], outcome: str) -> None:
    added = attempt_of(CLAIMED, left(**facts), MINE)
    assert {path: n for path, n in added.items() if path[0] == "attempts"} == {("attempts", outcome): 1}


def test_requeued_attempt_counts_its_reason() -> None:
    attempts = [{"at": at(1), "code": "older"}, {"at": at(10), "code": "model_error"}]
    added = attempt_of(CLAIMED, left(status="queued", ended_by=None, left_by=MINE, attempts=attempts), MINE)
    assert added["attempts", "requeued"] == 1
    assert added["retries", "model_error"] == 1
    assert ("retries", "older") not in added


def test_calls_and_tokens_are_those_of_this_attempt() -> None:
    calls = [
        {"id": "a", "batch": 0, "token": OTHERS},
        {"id": "b", "batch": 1, "token": MINE, "error": "model_rate_limited"},
        {"id": "c", "batch": 1, "token": MINE},
        {"id": "d", "batch": 2, "token": MINE},
    ]
    usage = {"input_tokens": 100, "output_tokens": 20}
    answers = {"0": {"call_id": "a", "usage": usage}, "1": {"call_id": "c", "usage": usage}}
    added = attempt_of(CLAIMED, left(calls=calls, answers=answers), MINE)
    assert {path[1]: n for path, n in added.items() if path[0] == "calls"} == {
        "model_rate_limited": 1,
        "ok": 1,
        "unknown": 1,
    }
    assert (added["tokens", "input"], added["tokens", "output"]) == (100, 20)


def test_deleted_document_s_attempt_is_counted_as_lost() -> None:
    assert dict(attempt_of(CLAIMED, None, MINE)) == {("attempts", "lost"): 1}


def test_database_that_is_away_costs_the_work_horse_nothing_but_the_count() -> None:
    class Away:
        def tallies(self) -> "Away":
            return self

        def left_by(self, *_: object) -> None:
            raise ConnectionFailure

    count_attempt(Away(), ObjectId(), CLAIMED, MINE)  # type: ignore[arg-type]
