"""Step 3's changes: a delivery is claimed, its attempt is written down, and it ends or waits.

A delivery that is claimed is simply not due until its lease is over: `next_at` is both. A claim is a
compare-and-set on the `next_at` that was seen, so that one of many processes makes the attempt; a
process that dies in the middle leaves an attempt without an end, which counts for nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bson import ObjectId

from app.db.transitions.change import ABSENT, Change, Document

PENDING: Final = "pending"
DELIVERED: Final = "delivered"
FAILED: Final = "failed"
UPLOAD: Final = "upload"
"""The target of a delivery to the `webhook_url` of one upload or batch; else it is an endpoint's id."""
ATTEMPTS_KEPT: Final = 50


@dataclass(frozen=True)
class Target:
    """Where an event goes: an owner's endpoint, or the URL that came with the upload."""

    endpoint: str
    url: str
    lane: str
    """Deliveries of one lane share its few slots."""


def new_delivery(
    event: Document,
    target: Target,
    owner: str,
    now: datetime,
    *,
    file_id: ObjectId | None = None,
    batch_id: str | None = None,
    max_attempts: int | None = None,
    request_id: str | None = None,
) -> Document:
    """One event for one target; the id makes handing on the same event twice harmless."""
    delivery: Document = {
        "_id": f"{event['id']}.{target.endpoint}",
        "owner": owner,
        "event": event,
        "endpoint": target.endpoint,
        "url": target.url,
        "lane": target.lane,
        "state": PENDING,
        "created_at": now,
        "next_at": now,
        "attempts_made": 0,
        "attempts": [],
    }
    if file_id is not None:
        delivery["file_id"] = file_id
    if batch_id is not None:
        delivery["batch_id"] = batch_id
    if max_attempts is not None:
        delivery["max_attempts"] = max_attempts
    if request_id is not None:
        delivery["request_id"] = request_id
    return delivery


def claim(delivery: Document, token: str, now: datetime, until: datetime) -> Change:
    """pending → pending, held by `token` until then; the attempt is on record before it is made."""
    attempt = {"token": token, "at": now}
    return Change(
        {"_id": delivery["_id"], "state": PENDING, "next_at": delivery["next_at"]},
        {
            "$set": {"next_at": until, "token": token},
            "$push": {"attempts": {"$each": [attempt], "$slice": -ATTEMPTS_KEPT}},
        },
        {"_id": delivery["_id"], "token": token},
    )


def _end_of_attempt(delivery_id: str, token: str, outcome: Document, facts: Document) -> Change:
    ended: Document = {f"attempts.$.{name}": value for name, value in outcome.items()}
    return Change(
        {"_id": delivery_id, "state": PENDING, "token": token, "attempts.token": token},
        {"$set": ended | facts, "$unset": {"token": ""}, "$inc": {"attempts_made": 1}},
        {"_id": delivery_id, "last_token": token},
    )


def try_again(delivery_id: str, token: str, outcome: Document, next_at: datetime) -> Change:
    """The attempt failed, another follows."""
    return _end_of_attempt(delivery_id, token, outcome, {"next_at": next_at, "last_token": token})


def end(
    delivery_id: str,
    token: str,
    outcome: Document,
    state: str,
    now: datetime,
    remove_at: datetime | None,
    reason: str | None = None,
) -> Change:
    """pending → delivered | failed. It is shown until `remove_at`; `reason` says why none follows."""
    facts: Document = {"state": state, "ended_at": now, "last_token": token}
    if remove_at is not None:
        facts["remove_at"] = remove_at
    if reason is not None:
        facts["reason"] = reason
    return _end_of_attempt(delivery_id, token, outcome, facts)


def redeliver(delivery_id: str, owner: str, now: datetime) -> Change:
    """A person asks for it again: due now, all attempts anew, the same event id.

    Zero matched where an attempt is under way: that is the redelivery.
    """
    facts: dict[str, Any] = {"state": PENDING, "next_at": now, "attempts_made": 0}
    return Change(
        {"_id": delivery_id, "owner": owner, "token": ABSENT},
        {"$set": facts, "$unset": {"ended_at": "", "remove_at": "", "reason": ""}},
        {"_id": delivery_id, "owner": owner, "state": PENDING},
    )
