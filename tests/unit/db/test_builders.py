"""Every transition as data: what its filter expects and what its update leaves behind."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db.transitions import intake, mend, person, work
from app.db.transitions.change import Change, sources
from app.domain.errors import Failure
from app.domain.file import new_id
from app.domain.result import Analysis, Answer, Usage
from app.domain.status import ALLOWED, IN_WORK, TERMINAL, Status

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
ID = new_id()
HOLD = work.Hold("t0ken", "worker-1", 1, "host")
FAILURE = Failure("a_code", "A message.", retryable=True)
SEEN: dict[str, Any] = {
    "_id": ID,
    "revision": 7,
    "lease": {"token": "t0ken", "until": NOW},
    "next_try_at": NOW,
    "status": "failed",
    "ended_at": NOW,
}
ATTEMPT: dict[str, Any] = {"at": NOW}

TO_STATUS: dict[str, Change] = {
    "accept": intake.accept_upload(ID, "t0ken", NOW, {"name": "x.pdf"}),
    "claim": work.claim(ID, HOLD, NOW, LATER, 5, "key"),
    "claim what is answered": work.claim(ID, HOLD, NOW, LATER, 5, "key", all_answered=True),
    "converted": work.converted(ID, "t0ken", NOW, 3, 10, 0, [0]),
    "finish": work.finish(ID, "t0ken", NOW, Analysis("text", "m", Usage(1, 1)), ATTEMPT),
    "fail": work.fail(ID, "t0ken", NOW, FAILURE, ATTEMPT),
    "requeue": work.requeue(ID, "t0ken", NOW, LATER, waiting_for=None, spends_attempt=True, attempt=ATTEMPT),
    "hand back": work.requeue(
        ID, "t0ken", NOW, NOW, waiting_for="provider", spends_attempt=False, attempt=None
    ),
    "expire to queue": mend.expire_to_queue(SEEN, NOW, ATTEMPT),
    "expire to failed": mend.expire_to_failed(SEEN, NOW, FAILURE, ATTEMPT),
    "give up waiting": mend.give_up_waiting(SEEN, NOW, FAILURE, "mark"),
    "cancel": person.cancel(ID, "me", "mark", NOW),
    "retry": person.retry(ID, "me", "mark", NOW, 7, keep_plan=True),
    "retry anew": person.retry(ID, "me", "mark", NOW, 7, keep_plan=False),
}
HOLDERS: dict[str, Change] = {
    "renew": intake.renew_upload(ID, "t0ken", LATER),
    "accept": TO_STATUS["accept"],
    "heartbeat": work.heartbeat(ID, "t0ken", LATER),
    "progress": work.progress(ID, "t0ken", NOW, "converting", 1, 2),
    "converted": TO_STATUS["converted"],
    "fence": work.fence(ID, "t0ken", NOW, "call", 0, "m"),
    "finish": TO_STATUS["finish"],
    "fail": TO_STATUS["fail"],
    "requeue": TO_STATUS["requeue"],
    "expire to queue": TO_STATUS["expire to queue"],
    "expire to failed": TO_STATUS["expire to failed"],
}


def target_of(change: Change) -> Status:
    return Status(change.update["$set"]["status"])


def sources_of(change: Change) -> set[Status]:
    wanted = change.filter["status"]
    return {Status(s) for s in (wanted["$in"] if isinstance(wanted, dict) else [wanted])}


@pytest.mark.parametrize("name", TO_STATUS)
def test_a_change_of_status_follows_the_table(name: str) -> None:
    change = TO_STATUS[name]
    for source in sources_of(change):
        assert target_of(change) in ALLOWED[source]


@pytest.mark.parametrize("name", TO_STATUS)
def test_a_change_of_status_leaves_a_line_in_the_timeline_and_a_new_revision(name: str) -> None:
    update = TO_STATUS[name].update
    assert update["$push"]["timeline"]["$each"] == [{"status": update["$set"]["status"], "at": NOW}]
    assert update["$inc"]["revision"] == 1
    assert update["$set"]["updated_at"] == NOW


@pytest.mark.parametrize(
    "name", [n for n, c in TO_STATUS.items() if sources_of(c) & IN_WORK and target_of(c) not in IN_WORK]
)
def test_leaving_the_work_takes_the_token_and_what_belongs_to_it(name: str) -> None:
    gone = TO_STATUS[name].update["$unset"]
    assert {"lease", "active_key"} <= set(gone)


@pytest.mark.parametrize("name", [n for n, c in TO_STATUS.items() if target_of(c) in TERMINAL])
def test_an_end_says_when_and_by_whom(name: str) -> None:
    change = TO_STATUS[name]
    assert change.update["$set"]["ended_at"] == NOW
    assert change.landed["ended_by"] == change.update["$set"]["ended_by"]
    assert "next_try_at" in change.update["$unset"]


@pytest.mark.parametrize("name", [n for n, c in TO_STATUS.items() if target_of(c) is Status.QUEUED])
def test_whatever_queues_says_when_it_is_due_and_forgets_an_earlier_bell(name: str) -> None:
    update = TO_STATUS[name].update
    assert {"next_try_at", "queued_at"} <= set(update["$set"])
    if name != "accept":
        assert {"rung_at", "rung_epoch"} <= set(update["$unset"])


@pytest.mark.parametrize("name", HOLDERS)
def test_a_holders_write_expects_its_token_and_a_status(name: str) -> None:
    expected = HOLDERS[name].filter
    assert expected["lease.token"] == "t0ken"
    assert expected["status"]


@pytest.mark.parametrize("name", TO_STATUS)
def test_no_field_is_both_set_and_unset(name: str) -> None:
    """MongoDB refuses such an update as a whole."""
    update = TO_STATUS[name].update
    touched = [set(update.get(operator, ())) for operator in ("$set", "$unset", "$push", "$inc")]
    assert sum(len(names) for names in touched) == len(set.union(*touched))


def everything_else() -> Iterator[Change]:
    yield work.answer(ID, 0, 10, "call", NOW, Answer("text", "m", Usage(1, 1)))
    yield work.call_failed(ID, "call", 0, NOW, "rate_limited", paid=False)
    yield work.wait_for_same(ID, NOW, LATER, "key")
    yield work.look_again(ID, "key", NOW)
    yield mend.ring(SEEN, NOW, "epoch")
    yield mend.not_rung(ID, NOW)
    yield mend.free_killed(ID, "t0ken", NOW)


@pytest.mark.parametrize("change", [*TO_STATUS.values(), *HOLDERS.values(), *everything_else()])
def test_every_filter_and_every_readback_names_one_record(change: Change) -> None:
    assert change.filter["_id"] == change.landed["_id"] == ID


def test_an_answer_that_cost_nothing_ends_no_call() -> None:
    free = work.answer(ID, 0, 10, "", NOW, Answer("text", "m"))
    assert free.options == {}
    assert not any(name.startswith("calls") for name in free.update["$set"])


def test_a_paid_answer_is_kept_without_a_token_but_never_onto_a_tombstone() -> None:
    expected = work.answer(ID, 0, 10, "call", NOW, Answer("text", "m", Usage(1, 1))).filter
    assert "lease.token" not in expected
    assert expected["deleted_at"] == {"$exists": False}


def test_the_person_s_changes_hold_the_owner() -> None:
    for change in (TO_STATUS["cancel"], TO_STATUS["retry"], TO_STATUS["retry anew"]):
        assert change.filter["owner"] == "me"
    assert person.deletable(ID, "me")["owner"] == "me"


def test_a_tombstone_keeps_nothing_that_a_person_wrote() -> None:
    record = {
        "_id": ID, "owner": "me", "idempotency_key": "k", "name": "my resume.pdf", "result": "text",
        "answers": {"0": {}}, "prompt": "p", "status": "failed", "error": {},
    }  # fmt: skip
    assert person.tombstone(record, NOW) == {"owner": "me", "idempotency_key": "k", "deleted_at": NOW}


def test_the_table_refuses_a_way_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="does not lead"):
        sources(Status.DONE, Status.FAILED)


def test_nothing_leads_out_of_done() -> None:
    assert not ALLOWED[Status.DONE]
