"""Step 1's changes: (none) → saving → queued, or back to nothing."""

from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from app.db.transitions.change import Change, Document, held, to_status
from app.domain.status import Status


def new_record(
    file_id: ObjectId,
    token: str,
    owner: str,
    now: datetime,
    lease_s: float,
    *,
    request_id: str | None = None,
    idempotency_key: str | None = None,
) -> Document:
    """The record that is inserted before the first byte is kept."""
    record: Document = {
        "_id": file_id,
        "owner": owner,
        "name": "",
        "status": str(Status.SAVING),
        "result": None,
        "error": None,
        "revision": 1,
        "created_at": now,
        "updated_at": now,
        "timeline": [{"status": str(Status.SAVING), "at": now}],
        "lease": {"token": token, "until": now + timedelta(seconds=lease_s)},
        "attempts_made": 0,
        "attempts": [],
        "calls": [],
        "answers": {},
        "answered": 0,
    }
    if request_id is not None:
        record["request_id"] = request_id
    if idempotency_key is not None:
        record["idempotency_key"] = idempotency_key
        record["idempotency_until"] = now + timedelta(hours=24)
    return record


def renew_upload(file_id: ObjectId, token: str, until: datetime) -> Change:
    """Bytes are arriving: the upload keeps its record."""
    mine = {"_id": file_id, "status": str(Status.SAVING), "lease.token": token}
    return Change(mine, {"$set": {"lease.until": until}}, mine | {"lease.until": until})


def accept_upload(file_id: ObjectId, token: str, now: datetime, facts: dict[str, Any]) -> Change:
    """saving → queued, once the bytes are durable. `facts`: name, blob, size, sha256, …"""
    return Change(
        held(file_id, token, Status.QUEUED, Status.SAVING),
        to_status(
            Status.QUEUED,
            now,
            set_={**facts, "accepted_by": token, "next_try_at": now, "queued_at": now, "accepted_at": now},
            unset=("lease",),
        ),
        {"_id": file_id, "accepted_by": token},
    )


def abandoned_upload(file_id: ObjectId, token: str, now: datetime | None = None) -> Document:
    """The filter that removes a `saving` record: the upload's own, or (with `now`) an expired one."""
    gone: Document = {"_id": file_id, "status": str(Status.SAVING), "lease.token": token}
    if now is not None:
        gone["lease.until"] = {"$lte": now}
    return gone
