"""The rule for a record whose holder died: back to the queue, or failed when it has used up its attempts.

Applied by the reconciler to expired leases, and by a worker to what its killed work-horse held.
"""

from datetime import datetime
from typing import Any

from app.db.client import Record
from app.db.transitions import mend
from app.db.transitions.change import Change
from app.domain.errors import Failure

CODE = "worker_died"


def may_go_on(record: Record, max_attempts: int) -> bool:
    """Whether a worker may claim it again: an attempt is left, or everything is answered already."""
    return bool(record["attempts_made"] < max_attempts or record.get("unanswered") == [])


def expire(record: Record, now: datetime, max_attempts: int) -> Change:
    """The change that follows from the rule."""
    attempt = _attempt(record, now)
    if may_go_on(record, max_attempts):
        return mend.expire_to_queue(record, now, attempt)
    return mend.expire_to_failed(record, now, _died_for_good(record["attempts_made"]), attempt)


def _attempt(record: Record, now: datetime) -> dict[str, Any]:
    """What the record keeps of an attempt whose worker died or froze."""
    started: datetime = record.get("claimed_at", now)
    return {
        "n": record["attempts_made"],
        "at": started,
        "duration_s": round((now - started).total_seconds(), 3),
        "model": None,
        "code": CODE,
        "worker": record["lease"].get("worker"),
    }


def _died_for_good(attempts: int) -> Failure:
    return Failure(
        CODE,
        f"The worker died or stopped answering in the last of {attempts} attempts (MAX_ATTEMPTS); all are "
        f"used up. Retry the document; if it fails again, it may be too large for the worker's memory.",
        retryable=True,
    )
