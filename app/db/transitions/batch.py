"""A batch's changes: it is open while its request goes on, then closed for good, with what it holds."""

from datetime import datetime, timedelta
from typing import Any, Final

from app.db.transitions.change import ABSENT, Change, Document
from app.domain.file import new_token

KEY_LIVES: Final = timedelta(hours=24)


def new_batch(
    batch_id: str,
    token: str,
    owner: str,
    now: datetime,
    lease_s: float,
    *,
    webhook_url: str | None = None,
    idempotency_key: str | None = None,
) -> Document:
    """The record that is inserted before the first document of the batch is accepted."""
    batch: Document = {
        "_id": batch_id,
        "owner": owner,
        "created_at": now,
        "refused": [],
        "lease": {"token": token, "until": now + timedelta(seconds=lease_s)},
    }
    if webhook_url is not None:
        batch["webhook_url"] = webhook_url
    if idempotency_key is not None:
        batch["idempotency_key"] = idempotency_key
        batch["idempotency_until"] = now + KEY_LIVES
    return batch


def renew(batch_id: str, token: str, until: datetime) -> Change:
    """Its request is still going on."""
    mine = {"_id": batch_id, "lease.token": token}
    return Change(mine, {"$set": {"lease.until": until}}, mine | {"lease.until": until})


def close(
    batch_id: str, token: str, now: datetime, total: int, look_again_at: datetime, facts: dict[str, Any]
) -> Change:
    """open → closed: no document is added any more. Whoever looks whether all have ended looks now.

    Without a `fingerprint` among the facts it broke off, and gives its idempotency key back.
    """
    closed = {"total": total, "closed_at": now, "closed_by": token, "look_again_at": look_again_at}
    unset = {"lease": ""}
    if "fingerprint" not in facts:
        unset |= {"idempotency_key": "", "idempotency_until": ""}
    return Change(
        {"_id": batch_id, "lease.token": token, "total": ABSENT},
        {"$set": closed | facts | {"check": new_token()}, "$unset": unset},
        {"_id": batch_id, "closed_by": token},
    )
