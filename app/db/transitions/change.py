"""`Change`: one conditional update, and how to tell afterwards whether it landed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from app.domain.event import EVENT_OF, new_event_id
from app.domain.status import ALLOWED, Status

ABSENT = {"$exists": False}
TIMELINE = 200
"""Lines of a timeline that are kept: a document that waits for a day must not grow without end."""
Document = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """`filter` holds the state and the token it expects.

    `landed` matches the record exactly when this very change was stored: it decides, after a
    lost reply and a repeat that matched nothing, whether the first one had arrived.
    """

    filter: Document
    update: Document
    landed: Document
    array_filters: tuple[Document, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """What `update_one` is told besides filter and update."""
        return {"array_filters": list(self.array_filters)} if self.array_filters else {}

    @property
    def revises(self) -> bool:
        """Whether a waiting client should be told."""
        return "revision" in self.update.get("$inc", {})


def revised(
    now: datetime,
    *,
    set_: Mapping[str, Any] | None = None,
    unset: tuple[str, ...] = (),
    push: Mapping[str, Any] | None = None,
    inc: Mapping[str, int] | None = None,
    pull: Mapping[str, Any] | None = None,
) -> Document:
    """An update that a waiting client should notice: it raises the revision."""
    update: Document = {"$set": {"updated_at": now, **(set_ or {})}, "$inc": {"revision": 1, **(inc or {})}}
    if unset:
        update["$unset"] = dict.fromkeys(unset, "")
    if push:
        update["$push"] = dict(push)
    if pull:
        update["$pull"] = dict(pull)
    return update


def to_status(
    status: Status,
    now: datetime,
    *,
    set_: Mapping[str, Any] | None = None,
    unset: tuple[str, ...] = (),
    push: Mapping[str, Any] | None = None,
    inc: Mapping[str, int] | None = None,
) -> Document:
    """`revised`, with the new status, its line in the timeline, and, at an end, the event to be told.

    The event is stored in the very update that ends the document, so that no crash can lose it.
    """
    facts: Document = {"status": str(status), **(set_ or {})}
    lists: Document = {
        "timeline": {"$each": [{"status": str(status), "at": now}], "$slice": -TIMELINE},
        **(push or {}),
    }
    if status in EVENT_OF:
        facts["undelivered"] = True
        lists["outbox"] = {"id": new_event_id(), "type": str(EVENT_OF[status]), "at": now}
    return revised(now, set_=facts, unset=unset, inc=inc, push=lists)


def sources(target: Status, *only: Status) -> Document:
    """A filter on the statuses from which `target` may be reached, narrowed to `only` where given."""
    allowed = [s for s in ALLOWED if s is not None and target in ALLOWED[s] and (not only or s in only)]
    if only and len(allowed) != len(only):
        raise ValueError(f"the table of transitions does not lead from {only} to {target}")
    return {"$in": [str(s) for s in allowed]}


def held(file_id: ObjectId, token: str, target: Status, *only: Status) -> Document:
    """The filter of a holder's write: the record, the statuses that lead to `target`, and the token."""
    return {"_id": file_id, "status": sources(target, *only), "lease.token": token}
