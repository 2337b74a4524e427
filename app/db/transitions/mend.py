"""The reconciler's changes: what time and faults undid. Each filter holds the state that it saw."""

from datetime import datetime

from bson import ObjectId

from app.db.transitions.change import ABSENT, Change, Document, sources, to_status
from app.db.transitions.work import ENDED, LEAVE_WORK
from app.domain.errors import Failure
from app.domain.status import IN_WORK, Status


def _seen(record: Document, target: Status, now: datetime) -> Document:
    return {
        "_id": record["_id"],
        "status": sources(target, *sorted(IN_WORK)),
        "lease.token": record["lease"]["token"],
        "lease.until": {"$lte": now},
    }


def expire_to_queue(record: Document, now: datetime, attempt: Document) -> Change:
    """A dead holder's record goes back to the queue; the attempt it spent stays spent."""
    token = record["lease"]["token"]
    facts = {"next_try_at": now, "queued_at": now, "left_by": token}
    return Change(
        _seen(record, Status.QUEUED, now),
        to_status(
            Status.QUEUED,
            now,
            set_=facts,
            unset=(*LEAVE_WORK, "rung_at", "rung_epoch"),
            push={"attempts": {"$each": [attempt], "$slice": -50}},
        ),
        {"_id": record["_id"], "left_by": token},
    )


def expire_to_failed(record: Document, now: datetime, failure: Failure, attempt: Document) -> Change:
    """A dead holder's record whose attempts are used up."""
    token = record["lease"]["token"]
    facts = {"error": failure.as_record(), "ended_at": now, "ended_by": token}
    return Change(
        _seen(record, Status.FAILED, now),
        to_status(Status.FAILED, now, set_=facts, unset=(*LEAVE_WORK, *ENDED), push={"attempts": attempt}),
        {"_id": record["_id"], "ended_by": token},
    )


def free_killed(file_id: ObjectId, token: str, now: datetime) -> Change:
    """The parent saw its work-horse die: the lease ends now, the reconciler's rule decides the rest."""
    mine = {"_id": file_id, "lease.token": token}
    return Change(mine, {"$set": {"lease.until": now}}, mine | {"lease.until": now})


def give_up_waiting(record: Document, now: datetime, failure: Failure, mark: str) -> Change:
    """queued → failed: older than MAX_DOCUMENT_AGE, or queued with no attempt left."""
    facts = {"error": failure.as_record(), "ended_at": now, "ended_by": mark}
    return Change(
        {"_id": record["_id"], "status": str(Status.QUEUED), "revision": record["revision"]},
        to_status(Status.FAILED, now, set_=facts, unset=(*LEAVE_WORK, *ENDED)),
        {"_id": record["_id"], "ended_by": mark},
    )


def ring(record: Document, now: datetime, epoch: str) -> Change:
    """One of many reconcilers may ring for this record: the one whose compare-and-set matched."""
    seen: Document = {name: record.get(name, ABSENT) for name in ("rung_at", "rung_epoch", "next_try_at")}
    return Change(
        {"_id": record["_id"], "status": str(Status.QUEUED), **seen},
        {"$set": {"rung_at": now, "rung_epoch": epoch}},
        {"_id": record["_id"], "rung_at": now, "rung_epoch": epoch},
    )


def not_rung(file_id: ObjectId, rung_at: datetime) -> Change:
    """The bell that `ring` was a promise of was not heard: it may be rung again at once."""
    mine: Document = {"_id": file_id, "status": str(Status.QUEUED), "rung_at": rung_at}
    return Change(mine, {"$unset": {"rung_at": "", "rung_epoch": ""}}, {"_id": file_id, "rung_at": ABSENT})


def rung_at_intake(file_ids: list[ObjectId], now: datetime, epoch: str) -> tuple[Document, Document]:
    """Filter and update of many: the bells of new uploads were rung, they need not be rung again at once."""
    unnoted = {"_id": {"$in": file_ids}, "status": str(Status.QUEUED), "rung_at": ABSENT}
    return unnoted, {"$set": {"rung_at": now, "rung_epoch": epoch}}
