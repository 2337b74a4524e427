"""The worker's transitions on a real server: only the holder writes, and nothing paid is lost or repeated."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from app.db.apply import apply
from app.db.transitions import mend
from app.domain.errors import Failure
from app.domain.file import new_id, new_token
from app.domain.result import Analysis, Answer, Usage
from tests.support.records import AN_ANSWER, Records, a_hold

ANALYSIS = Analysis("the analysis", "a-model", Usage(10, 5))
FAILURE = Failure("a_code", "A message.", retryable=False)


@pytest.fixture
def records(mongo_url: str, mongo_db: str) -> Iterator[Records]:
    with Records(mongo_url, mongo_db) as opened:
        yield opened


def steps(records: Records, file_id: object) -> list[str]:
    return [line["status"] for line in records.get(file_id)["timeline"]]  # type: ignore[arg-type]


def test_a_document_walks_through_the_five_statuses(records: Records) -> None:
    file_id, hold, call_id = records.fenced()
    assert records.work.save_answer(file_id, 0, 1, call_id, AN_ANSWER)
    assert records.get(file_id)["unanswered"] == []
    assert records.work.finish(file_id, hold.token, ANALYSIS, {"at": records.work.now()})
    record = records.get(file_id)
    assert steps(records, file_id) == [
        "saving", "queued", "processing", "conversion complete", "api call done",
    ]  # fmt: skip
    assert record["result"] == "the analysis"
    assert record["usage"]["input_tokens"] == 10
    assert not {"lease", "active_key", "next_try_at", "rung_at"} & set(record)


def test_times_of_the_timeline_never_go_back(records: Records) -> None:
    file_id, _ = records.converted()
    times = [line["at"] for line in records.get(file_id)["timeline"]]
    assert times == sorted(times)


def test_a_record_can_be_claimed_once(records: Records) -> None:
    file_id, _ = records.claimed()
    assert records.work.claim(file_id, a_hold(), 30, 5, "key") is None


def test_a_record_that_is_not_due_cannot_be_claimed(records: Records) -> None:
    file_id = records.queued(next_try_at=records.work.now() + timedelta(seconds=60))
    assert records.work.claim(file_id, a_hold(), 30, 5, "key") is None


def test_a_bell_that_comes_a_moment_early_is_answered(records: Records) -> None:
    """Two processes' ideas of the server's time may differ by a round trip."""
    file_id = records.queued(next_try_at=records.work.now() + timedelta(milliseconds=300))
    assert records.work.claim(file_id, a_hold(), 30, 5, "key") is not None


def test_no_claim_when_attempts_are_used_up(records: Records) -> None:
    file_id = records.queued(attempts_made=5)
    assert records.work.claim(file_id, a_hold(), 30, 5, "key") is None


def test_a_record_with_all_answers_saved_is_claimed_whatever_its_attempts(records: Records) -> None:
    file_id = records.queued(attempts_made=5, unanswered=[])
    assert records.work.claim(file_id, a_hold(), 30, 5, "key") is not None


def test_a_claim_counts_an_attempt_and_says_who(records: Records) -> None:
    file_id, hold = records.claimed(a_hold("worker-7", pid=99))
    record = records.get(file_id)
    assert record["attempts_made"] == 1
    assert (record["lease"]["worker"], record["lease"]["pid"]) == ("worker-7", 99)
    assert records.work.held_by(hold.host, 99)[0]["_id"] == file_id


def stale(records: Records) -> tuple[object, str]:
    """A record whose first holder's lease ended and that another holds now; the first one's token."""
    file_id, old = records.converted()
    records.expire(file_id)
    now = records.work.now()
    assert apply(records.files, mend.expire_to_queue(records.get(file_id), now, {"at": now}))
    assert records.work.claim(file_id, a_hold(), 30, 5, "key") is not None
    return file_id, old.token


def test_late_worker_cannot_write_anything(records: Records) -> None:
    file_id, token = stale(records)
    before = records.get(file_id)  # type: ignore[arg-type]
    work, attempt = records.work, {"at": records.work.now()}
    assert not work.heartbeat(file_id, token, 30)  # type: ignore[arg-type]
    assert not work.progress(file_id, token, "converting", 1, 2)  # type: ignore[arg-type]
    assert not work.converted(file_id, token, 1, 1, 0, [0])  # type: ignore[arg-type]
    assert not work.fence(file_id, token, new_token(), 0, "m")  # type: ignore[arg-type]
    assert not work.finish(file_id, token, ANALYSIS, attempt)  # type: ignore[arg-type]
    assert not work.fail(file_id, token, FAILURE, attempt)  # type: ignore[arg-type]
    assert not work.requeue(file_id, token, 0)  # type: ignore[arg-type]
    assert records.get(file_id) == before  # type: ignore[arg-type]


def test_a_late_worker_s_paid_answer_is_kept_and_not_paid_again(records: Records) -> None:
    file_id, _, call_id = records.fenced()
    records.expire(file_id)
    now = records.work.now()
    assert apply(records.files, mend.expire_to_queue(records.get(file_id), now, {"at": now}))
    new = a_hold()
    assert records.work.claim(file_id, new, 30, 5, "key")
    assert records.work.save_answer(file_id, 0, 1, call_id, AN_ANSWER)
    assert not records.work.converted(file_id, new.token, 1, 1, 0, [0]), "the answers changed: read again"
    assert records.work.converted(file_id, new.token, 1, 1, 1, [])
    assert not records.work.fence(file_id, new.token, new_token(), 0, "m"), "nothing is left to pay for"


def test_the_fence_lets_one_intent_through_for_each_call(records: Records) -> None:
    file_id, hold = records.converted()
    call_id = new_token()
    assert records.work.fence(file_id, hold.token, call_id, 0, "m")
    assert not records.work.fence(file_id, hold.token, call_id, 0, "m")
    assert len(records.get(file_id)["calls"]) == 1


def test_the_fence_is_shut_before_the_conversion_is_complete(records: Records) -> None:
    file_id, hold = records.claimed()
    assert not records.work.fence(file_id, hold.token, new_token(), 0, "m")


def test_the_fence_is_shut_after_three_calls_that_may_have_cost(records: Records) -> None:
    file_id, hold = records.converted()
    allowed = [records.work.fence(file_id, hold.token, new_token(), 0, "m") for _ in range(4)]
    assert allowed == [True, True, True, False]
    assert records.work.fence(file_id, hold.token, new_token(), 1, "m"), "another batch has its own three"


def test_a_call_that_certainly_cost_nothing_does_not_count(records: Records) -> None:
    file_id, hold = records.converted()
    for _ in range(5):
        call_id = new_token()
        assert records.work.fence(file_id, hold.token, call_id, 0, "m")
        assert records.work.call_failed(file_id, call_id, 0, "rate_limited", paid=False)
        assert not records.work.call_failed(file_id, call_id, 0, "rate_limited", paid=False), "ended once"
    assert {call["error"] for call in records.get(file_id)["calls"]} == {"rate_limited"}


def test_only_the_first_answer_to_a_batch_is_kept(records: Records) -> None:
    file_id, _, call_id = records.fenced()
    assert records.work.save_answer(file_id, 0, 1, call_id, AN_ANSWER)
    other = Answer("another", "a-model", Usage())
    assert not records.work.save_answer(file_id, 0, 1, new_token(), other)
    record = records.get(file_id)
    assert record["answers"]["0"]["text"] == "an answer"
    assert record["answered"] == 1


def test_an_answer_to_another_plan_is_not_mixed_in(records: Records) -> None:
    file_id, _, call_id = records.fenced()
    assert not records.work.save_answer(file_id, 0, 10, call_id, AN_ANSWER)


def test_the_end_of_a_call_is_noted_beside_its_intent(records: Records) -> None:
    file_id, hold, call_id = records.fenced()
    assert records.work.fence(file_id, hold.token, new_token(), 1, "m")
    assert records.work.save_answer(file_id, 0, 1, call_id, AN_ANSWER)
    first, other = records.get(file_id)["calls"]
    assert first["ended_at"] == records.get(file_id)["answers"]["0"]["at"]
    assert "ended_at" not in other


def test_the_end_of_a_call_is_noted_when_its_answer_came_too_late(records: Records) -> None:
    file_id, _, call_id = records.fenced()
    records.work.end_call(file_id, call_id)
    assert records.get(file_id)["calls"][0]["ended_at"]


def test_a_record_without_attempts_left_can_be_claimed_once_all_is_answered(records: Records) -> None:
    file_id = records.queued(attempts_made=5)
    assert records.work.claim(file_id, a_hold(), 30, 5, "key") is None
    records.put(file_id, unanswered=[0])
    assert records.work.claim(file_id, a_hold(), 30, 5, "key") is None
    records.put(file_id, unanswered=[])
    assert records.work.claim(file_id, a_hold(), 30, 5, "key") is not None


def test_a_hand_back_spends_no_attempt_and_a_failure_does(records: Records) -> None:
    file_id, hold = records.claimed()
    assert records.work.requeue(file_id, hold.token, 0, spends_attempt=False)
    assert records.get(file_id)["attempts_made"] == 0
    again = a_hold()
    assert records.work.claim(file_id, again, 30, 5, "key")
    attempt = {"at": records.work.now(), "error": "model_unavailable"}
    assert records.work.requeue(file_id, again.token, 60, waiting_for="provider", attempt=attempt)
    record = records.get(file_id)
    assert record["attempts_made"] == 1
    assert record["attempts"][0]["error"] == "model_unavailable"
    assert record["waiting_for"] == "provider"
    assert record["next_try_at"] > records.work.now()


def test_a_failed_record_keeps_its_file_and_says_why(records: Records) -> None:
    file_id, hold = records.claimed()
    assert records.work.fail(file_id, hold.token, FAILURE, {"at": records.work.now()})
    record = records.get(file_id)
    assert record["error"] == {"code": "a_code", "message": "A message.", "retryable": False}
    assert record["blob"]


def test_a_second_document_with_the_same_analysis_waits_for_the_first(records: Records) -> None:
    first, hold = records.claimed(analysis_key="same")
    second = records.queued()
    assert records.work.claim(second, a_hold(), 30, 5, "same") is None
    assert records.get(second)["waiting_for"] == "same document"
    assert records.get(second)["attempts_made"] == 0
    assert records.work.fail(first, hold.token, FAILURE, {"at": records.work.now()})
    assert records.work.wake_same("same") == [second]
    assert records.work.claim(second, a_hold(), 30, 5, "same") is not None


def test_a_dead_holder_blocks_nobody(records: Records) -> None:
    first, _ = records.claimed(analysis_key="same")
    records.expire(first)
    now = records.work.now()
    assert apply(records.files, mend.expire_to_queue(records.get(first), now, {"at": now}))
    assert records.work.claim(records.queued(), a_hold(), 30, 5, "same") is not None


def test_a_killed_work_horse_s_lease_ends_at_once(records: Records) -> None:
    file_id, hold = records.claimed()
    assert records.work.free_killed(file_id, hold.token)
    assert records.get(file_id)["lease"]["until"] <= records.work.now()
    assert not records.work.free_killed(file_id, new_token())


def test_the_timeline_of_a_document_that_waits_for_ever_stays_bounded(records: Records) -> None:
    file_id = records.queued()
    line = {"status": "queued", "at": records.work.now()}
    records.put(file_id, timeline=[line] * 500)
    assert records.work.claim(file_id, a_hold(), 30, 5, "key")
    assert len(records.get(file_id)["timeline"]) == 200


def test_an_unknown_record_cannot_be_claimed(records: Records) -> None:
    assert records.work.claim(new_id(), a_hold(), 30, 5, "key") is None
