"""What a person asks for: cancel, retry, delete (and the deletion that time asks for)."""

from datetime import datetime

from bson import ObjectId

from app.db.transitions.change import ABSENT, Change, Document, sources, to_status
from app.db.transitions.work import ENDED, LEAVE_WORK
from app.domain.status import Status


def cancel(file_id: ObjectId, owner: str, mark: str, now: datetime) -> Change:
    """queued | in work → cancelled. The token goes, so the worker's next write matches nothing."""
    return Change(
        {"_id": file_id, "owner": owner, "status": sources(Status.CANCELLED)},
        to_status(
            Status.CANCELLED, now, set_={"ended_at": now, "ended_by": mark}, unset=(*LEAVE_WORK, *ENDED)
        ),
        {"_id": file_id, "ended_by": mark},
    )


def retry(file_id: ObjectId, owner: str, mark: str, now: datetime, revision: int, keep_plan: bool) -> Change:
    """failed | cancelled → queued: attempts start again, answered batches stay paid.

    `keep_plan` is false where nothing was answered yet: the pages may then be planned anew with
    the settings of today. `revision` is the one on which that was decided.
    """
    unset = ["ended_at", "ended_by", "waiting_for", "rung_at", "rung_epoch", "paid_calls", "progress"]
    if not keep_plan:
        unset += ["pages", "pages_per_call", "unanswered"]
    facts = {"attempts_made": 0, "error": None, "next_try_at": now, "queued_at": now, "retried_by": mark}
    return Change(
        {
            "_id": file_id,
            "owner": owner,
            "status": sources(Status.QUEUED, Status.FAILED, Status.CANCELLED),
            "revision": revision,
        },
        to_status(Status.QUEUED, now, set_=facts | {"accepted_at": now}, unset=tuple(unset)),
        {"_id": file_id, "retried_by": mark},
    )


def tombstone(record: Document, now: datetime) -> Document:
    """What stays of a deleted record until its bytes are swept: nothing a person wrote.

    An event that was not handed on yet stays, with where it must go, until it is (`app.notify`).
    """
    kept: tuple[str, ...] = ("owner", "idempotency_key", "idempotency_until", "sha256", "blob")
    if record.get("undelivered"):
        kept += ("undelivered", "outbox", "webhook_url", "batch_id")
    return {name: record[name] for name in kept if name in record} | {"deleted_at": now}


def deletable(file_id: ObjectId, owner: str) -> Document:
    """The filter under which a record becomes a tombstone: the owner's, complete, not one already."""
    return {
        "_id": file_id,
        "owner": owner,
        "deleted_at": ABSENT,
        "status": {"$ne": str(Status.SAVING)},
    }


def retired(record: Document) -> Document:
    """The filter under which a record past its retention becomes a tombstone: still the end that was seen."""
    return {
        "_id": record["_id"],
        "deleted_at": ABSENT,
        "status": record["status"],
        "ended_at": record["ended_at"],
    }
