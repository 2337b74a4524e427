"""What an ended attempt adds to the tallies, read from the record that it left behind.

Counting must never cost a document anything: it happens after the record was written, asks for little,
waits for nothing, and whatever breaks in it is a line in the log.
"""

from collections import defaultdict
from datetime import datetime
from typing import Any, Final

import structlog
from bson import ObjectId
from pymongo.errors import PyMongoError

from app.db.client import Record
from app.db.collections.work import WorkFiles
from app.domain.figures import bucket_of
from app.domain.status import Status

Added = defaultdict[tuple[str, ...], float]
NO_END: Final = "unknown"
"""A call whose end nobody wrote down."""

log = structlog.get_logger(__name__)


def count_attempt(files: WorkFiles, file_id: ObjectId, claimed: Record, token: str) -> None:
    """Add up the attempt that began with `claimed` and is over."""
    try:
        left = files.tallies().left_by(file_id, token)
        files.tallies().add(attempt_of(claimed, left, token))
    except (PyMongoError, KeyError, TypeError, ValueError) as error:
        log.warning("attempt_not_counted", error_type=type(error).__name__)


def attempt_of(claimed: Record, left: Record | None, token: str) -> Added:
    """The increments by path. `left` is the record afterwards, None when it was deleted meanwhile."""
    added: Added = defaultdict(float)
    if left is None:
        added["attempts", "lost"] = 1
        return added
    outcome = _outcome(claimed, left, token)
    added["attempts", outcome] += 1
    if outcome == "requeued":
        added["retries", str(_own_attempt(claimed, left)["code"])] += 1
    if outcome == "done":
        added["pages",] += int(left.get("pages") or 0)
    _add_calls(added, left, token)
    for stage, seconds in _stages(claimed, left, outcome).items():
        added["stages", stage, "buckets", bucket_of(seconds)] += 1
        added["stages", stage, "sum_s"] += seconds
    return added


def _outcome(claimed: Record, left: Record, token: str) -> str:
    if left.get("ended_by") == token:
        if left["status"] != Status.DONE:
            return "failed"
        return "copied" if (left.get("usage") or {}).get("cached") else "done"
    if left.get("left_by") != token:
        return "lost"
    return "handed_back" if _own_attempt(claimed, left) is None else "requeued"


def _own_attempt(claimed: Record, left: Record) -> Any:
    """Its line in the record's log of attempts: a hand-back has none."""
    began = claimed["claimed_at"]
    return next((one for one in reversed(left.get("attempts", [])) if one["at"] == began), None)


def _add_calls(added: Added, left: Record, token: str) -> None:
    answers = left.get("answers", {})
    for call in left.get("calls", []):
        if call["token"] != token:
            continue
        answer = answers.get(str(call["batch"]), {})
        answered = answer.get("call_id") == call["id"]
        added["calls", call.get("error") or ("ok" if answered else NO_END)] += 1
        if answered:
            for direction in ("input", "output"):
                added["tokens", direction] += int(answer["usage"][f"{direction}_tokens"])


def _stages(claimed: Record, left: Record, outcome: str) -> dict[str, float]:
    """Seconds in each stage that this attempt went through to its end."""
    began: datetime = claimed["claimed_at"]
    found = {"wait": began - max(claimed["queued_at"], claimed["next_try_at"])}
    if outcome not in ("copied", "lost"):
        converted = next((at for at in _converted(left) if at >= began), None)
        if converted is not None and not claimed.get("pages"):
            found["render"] = converted - began
        if converted is not None and outcome == "done":
            found["analyse"] = left["ended_at"] - converted
    if outcome in ("done", "copied"):
        found["total"] = left["ended_at"] - left["accepted_at"]
    return {stage: max(0.0, took.total_seconds()) for stage, took in found.items()}


def _converted(left: Record) -> list[datetime]:
    return [one["at"] for one in left.get("timeline", []) if one["status"] == Status.CONVERTED]
