"""What callers are told of: the events of a document and of a batch, by the names of the public contract."""

import secrets
from enum import StrEnum
from typing import Final

from app.domain.status import Status


class EventType(StrEnum):
    """Receivers compare these strings."""

    COMPLETED = "file.completed"
    FAILED = "file.failed"
    CANCELLED = "file.cancelled"
    BATCH_COMPLETED = "batch.completed"
    TEST = "webhook.test"


EVENT_OF: Final = {
    Status.DONE: EventType.COMPLETED,
    Status.FAILED: EventType.FAILED,
    Status.CANCELLED: EventType.CANCELLED,
}
STATUS_OF: Final = {event: status for status, event in EVENT_OF.items()}
SUBSCRIBABLE: Final = frozenset({*STATUS_OF, EventType.BATCH_COMPLETED})


def new_event_id() -> str:
    """Names one event for ever: it is the `webhook-id` of every delivery and of every retry."""
    return f"msg_{secrets.token_hex(12)}"
