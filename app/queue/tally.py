"""Counts and logs what the reconciler mended, in one call, so that neither is forgotten."""

from collections import Counter

import structlog
from bson import ObjectId

log = structlog.get_logger(__name__)


class Tally:
    """`total` is read by the metrics."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()

    def acted(self, action: str, file_id: ObjectId | None = None, count: int = 1) -> None:
        """`action` is the event's name in the log and the label in the metrics."""
        if count <= 0:
            return
        self.total[action] += count
        if file_id is None:
            log.info("reconciled", action=action, count=count)
        else:
            log.info("reconciled", action=action, file_id=str(file_id))
