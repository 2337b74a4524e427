"""Step 2's changes, made by the worker that holds the record: claim, fence, answer, end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from app.db.transitions.change import ABSENT, Change, Document, held, revised, to_status
from app.domain.errors import Failure
from app.domain.result import Analysis, Answer
from app.domain.status import IN_WORK, Status

MAX_PAID_CALLS_PER_BATCH = 3
CLOCK_SLACK = timedelta(seconds=1)
"""Two processes' ideas of the server's time differ by a round trip: a bell may come before its time."""
SAME_DOCUMENT = "same document"
LEAVE_WORK = ("lease", "active_key", "waiting_for", "same_as")
ENDED = ("next_try_at", "rung_at", "rung_epoch")
WORKING = {"$in": sorted(str(s) for s in IN_WORK)}


@dataclass(frozen=True)
class Hold:
    """One worker's hold on one record."""

    token: str
    worker: str
    pid: int
    host: str

    def lease(self, until: datetime) -> Document:
        return {
            "token": self.token,
            "until": until,
            "worker": self.worker,
            "pid": self.pid,
            "host": self.host,
        }


def claim(
    file_id: ObjectId,
    hold: Hold,
    now: datetime,
    until: datetime,
    max_attempts: int,
    analysis_key: str,
    *,
    all_answered: bool = False,
) -> Change:
    """queued → processing, where an attempt is left or, with `all_answered`, nothing is left to be paid.

    Two changes and not one `$or`: some servers of this wire protocol scan the collection for that.
    Raises DuplicateKeyError when run while another record with this `analysis_key` is in work.
    """
    may_try: Document = {"unanswered": []} if all_answered else {"attempts_made": {"$lt": max_attempts}}
    return Change(
        {
            "_id": file_id,
            "status": str(Status.QUEUED),
            "next_try_at": {"$lte": now + CLOCK_SLACK},
            **may_try,
        },
        to_status(
            Status.PROCESSING,
            now,
            set_={
                "lease": hold.lease(until),
                "active_key": analysis_key,
                "analysis_key": analysis_key,
                "claimed_at": now,
            },
            unset=("waiting_for",),
            inc={"attempts_made": 1},
        ),
        {"_id": file_id, "lease.token": hold.token},
    )


def heartbeat(file_id: ObjectId, token: str, until: datetime) -> Change:
    """The holder lives: its lease goes on."""
    mine = {"_id": file_id, "status": WORKING, "lease.token": token}
    return Change(mine, {"$set": {"lease.until": until}}, mine)


def progress(
    file_id: ObjectId, token: str, now: datetime, stage: str, done: int, total: int | None
) -> Change:
    """How far it is; a waiting client sees it."""
    mine = {"_id": file_id, "status": WORKING, "lease.token": token}
    facts = {"progress": {"stage": stage, "pages_done": done, "pages_total": total}}
    return Change(mine, revised(now, set_=facts), mine)


def converted(
    file_id: ObjectId,
    token: str,
    now: datetime,
    pages: int,
    pages_per_call: int,
    answers_seen: int,
    missing: list[int],
) -> Change:
    """processing → conversion complete, with the plan: which batches are still unanswered.

    `answers_seen` guards against an answer of an earlier holder that arrives meanwhile: zero
    matched with the token still ours means "read the answers again".
    """
    return Change(
        held(file_id, token, Status.CONVERTED, Status.PROCESSING) | {"answered": answers_seen},
        to_status(
            Status.CONVERTED,
            now,
            set_={
                "pages": pages,
                "pages_per_call": pages_per_call,
                "unanswered": missing,
                "progress": {"stage": "analysing", "pages_done": 0, "pages_total": pages},
            },
        ),
        {"_id": file_id, "status": str(Status.CONVERTED), "lease.token": token},
    )


def adopt(file_id: ObjectId, token: str, now: datetime, source: Document) -> Change:
    """processing → conversion complete with the pages and answers of a finished twin: nothing is left to pay.

    Not where something was answered here already: what was paid for is kept.
    """
    facts = {
        "pages": source["pages"],
        "pages_per_call": source["pages_per_call"],
        "answers": source["answers"],
        "answered": len(source["answers"]),
        "unanswered": [],
        "copied_from": source["_id"],
        "progress": {"stage": "analysing", "pages_done": source["pages"], "pages_total": source["pages"]},
    }
    return Change(
        held(file_id, token, Status.CONVERTED, Status.PROCESSING) | {"answered": 0},
        to_status(Status.CONVERTED, now, set_=facts),
        {"_id": file_id, "status": str(Status.CONVERTED), "lease.token": token},
    )


def fence(file_id: ObjectId, token: str, now: datetime, call_id: str, batch: int, model: str) -> Change:
    """The intent to pay for `batch`, before the call. At most three for a batch, none for an answered one."""
    intent = {"id": call_id, "batch": batch, "model": model, "token": token, "at": now}
    return Change(
        {
            "_id": file_id,
            "status": str(Status.CONVERTED),
            "lease.token": token,
            "calls.id": {"$ne": call_id},
            f"answers.{batch}": ABSENT,
            f"paid_calls.{batch}": {"$not": {"$gte": MAX_PAID_CALLS_PER_BATCH}},
        },
        revised(now, push={"calls": intent}, inc={f"paid_calls.{batch}": 1}),
        {"_id": file_id, "calls.id": call_id},
    )


def call_ended(file_id: ObjectId, call_id: str, now: datetime) -> Change:
    """The end of a call whose answer came too late to be kept: bookkeeping, nothing that a client sees."""
    return Change(
        {"_id": file_id, "calls": {"$elemMatch": {"id": call_id, "ended_at": ABSENT}}},
        {"$set": {"calls.$.ended_at": now}},
        {"_id": file_id, "calls": {"$elemMatch": {"id": call_id, "ended_at": now}}},
    )


def call_failed(file_id: ObjectId, call_id: str, batch: int, now: datetime, code: str, paid: bool) -> Change:
    """The call's end without an answer. One that certainly cost nothing does not count against the batch."""
    update = revised(now, set_={"calls.$.ended_at": now, "calls.$.error": code})
    if not paid:
        update["$inc"][f"paid_calls.{batch}"] = -1
    open_call = {"id": call_id, "ended_at": ABSENT}
    return Change(
        {"_id": file_id, "calls": {"$elemMatch": open_call}},
        update,
        {"_id": file_id, "calls": {"$elemMatch": {"id": call_id, "error": code}}},
    )


def answer(
    file_id: ObjectId, batch: int, pages_per_call: int, call_id: str, now: datetime, text: Answer
) -> Change:
    """What was paid for, kept whoever holds the record now; never onto a tombstone or another plan.

    The end of its call is noted in the same write (an answer that cost nothing had none).
    """
    facts: Document = {f"answers.{batch}": text.as_record() | {"call_id": call_id, "at": now}}
    if call_id:
        facts["calls.$[call].ended_at"] = now
    return Change(
        {"_id": file_id, "deleted_at": ABSENT, "pages_per_call": pages_per_call, f"answers.{batch}": ABSENT},
        revised(now, set_=facts, inc={"answered": 1}, pull={"unanswered": batch}),
        {"_id": file_id, f"answers.{batch}.call_id": call_id},
        ({"call.id": call_id, "call.ended_at": ABSENT},) if call_id else (),
    )


def finish(
    file_id: ObjectId,
    token: str,
    now: datetime,
    analysis: Analysis,
    attempt: Document,
    extra: Document | None = None,
) -> Change:
    """conversion complete → api call done."""
    facts = {
        "result": analysis.result,
        "data": analysis.data,
        "usage": analysis.usage_record() | (extra or {}),
        "ended_at": now,
        "ended_by": token,
        "error": None,
    }
    return Change(
        held(file_id, token, Status.DONE, Status.CONVERTED),
        to_status(Status.DONE, now, set_=facts, unset=(*LEAVE_WORK, *ENDED), push={"attempts": attempt}),
        {"_id": file_id, "status": str(Status.DONE), "ended_by": token},
    )


def fail(file_id: ObjectId, token: str, now: datetime, failure: Failure, attempt: Document) -> Change:
    """in work → failed, with its reason; the file stays for a person's retry."""
    facts = {"error": failure.as_record(), "ended_at": now, "ended_by": token}
    return Change(
        held(file_id, token, Status.FAILED, *sorted(IN_WORK)),
        to_status(Status.FAILED, now, set_=facts, unset=(*LEAVE_WORK, *ENDED), push={"attempts": attempt}),
        {"_id": file_id, "status": str(Status.FAILED), "ended_by": token},
    )


def requeue(
    file_id: ObjectId,
    token: str,
    now: datetime,
    next_try_at: datetime,
    *,
    waiting_for: str | None,
    spends_attempt: bool,
    attempt: Document | None,
) -> Change:
    """in work → queued: to be tried again, or handed back by a process that stops."""
    facts: dict[str, Any] = {"next_try_at": next_try_at, "queued_at": now, "left_by": token}
    if waiting_for is not None:
        facts["waiting_for"] = waiting_for
    unset = tuple(name for name in (*LEAVE_WORK, "rung_at", "rung_epoch") if name not in facts)
    update = to_status(Status.QUEUED, now, set_=facts, unset=unset)
    if not spends_attempt:
        update["$inc"]["attempts_made"] = -1
    if attempt is not None:
        update["$push"]["attempts"] = {"$each": [attempt], "$slice": -50}
    return Change(
        held(file_id, token, Status.QUEUED, *sorted(IN_WORK)),
        update,
        {"_id": file_id, "left_by": token},
    )


def wait_for_same(file_id: ObjectId, now: datetime, next_try_at: datetime, analysis_key: str) -> Change:
    """Stays queued: a document with the same content is in work, its answer will do for both."""
    mine = {"_id": file_id, "status": str(Status.QUEUED)}
    facts = {"waiting_for": SAME_DOCUMENT, "same_as": analysis_key, "next_try_at": next_try_at}
    update = revised(now, set_=facts, unset=("rung_at", "rung_epoch"))
    return Change(mine, update, mine | {"next_try_at": next_try_at})


def look_again(file_id: ObjectId, analysis_key: str, now: datetime) -> Change:
    """The document that this one waited for has ended: it may be claimed now."""
    waiting = {
        "_id": file_id,
        "status": str(Status.QUEUED),
        "waiting_for": SAME_DOCUMENT,
        "same_as": analysis_key,
    }
    update = revised(
        now, set_={"next_try_at": now}, unset=("waiting_for", "same_as", "rung_at", "rung_epoch")
    )
    return Change(waiting, update, {"_id": file_id, "next_try_at": now})
