"""The statuses of a document and the one table of transitions allowed between them."""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Spelled as the public contract spells them; clients compare these strings."""

    SAVING = "saving"
    QUEUED = "queued"
    PROCESSING = "processing"
    CONVERTED = "conversion complete"
    DONE = "api call done"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL: Final = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})
LEASED: Final = frozenset({Status.SAVING, Status.PROCESSING, Status.CONVERTED})
IN_WORK: Final = frozenset({Status.PROCESSING, Status.CONVERTED})

ALLOWED: Final[dict[Status | None, frozenset[Status]]] = {
    None: frozenset({Status.SAVING}),
    Status.SAVING: frozenset({Status.QUEUED}),
    Status.QUEUED: frozenset({Status.PROCESSING, Status.DONE, Status.FAILED, Status.CANCELLED}),
    Status.PROCESSING: frozenset(
        {Status.PROCESSING, Status.CONVERTED, Status.QUEUED, Status.FAILED, Status.CANCELLED}
    ),
    Status.CONVERTED: frozenset(
        {Status.CONVERTED, Status.DONE, Status.QUEUED, Status.FAILED, Status.CANCELLED}
    ),
    Status.DONE: frozenset(),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.CANCELLED: frozenset({Status.QUEUED}),
}


def sources_of(target: Status) -> list[str]:
    """The statuses from which `target` may be reached, as stored strings, sorted."""
    return sorted(str(source) for source, targets in ALLOWED.items() if source and target in targets)
