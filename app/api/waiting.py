"""Why a document is not being worked on yet, in words that its owner can act on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.db.client import Record
from app.domain.status import Status

NO_WORKER: Final = "no worker is alive"


@dataclass(frozen=True)
class Waiting:
    """`waiting_for`: worker | no worker is alive | provider | budget | same document | retry at <time>."""

    waiting_for: str
    next_try_at: datetime | None

    @property
    def needs_worker(self) -> bool:
        """Whether all it waits for is a worker to take it: then its place in the queue matters."""
        return self.waiting_for == "worker"


def why_waiting(record: Record, now: datetime) -> Waiting | None:
    """What a queued record waits for; None for any other."""
    if record["status"] != str(Status.QUEUED):
        return None
    next_try_at: datetime | None = record.get("next_try_at")
    later = next_try_at if next_try_at is not None and next_try_at > now else None
    if later is None:
        return Waiting("worker", None)
    named = record.get("waiting_for")
    return Waiting(named or f"retry at {later:%Y-%m-%dT%H:%M:%SZ}", later)


def waiting_fields(waiting: Waiting, position: int | None, anyone_alive: bool | None) -> dict[str, Any]:
    """As they stand in `progress`."""
    nobody = anyone_alive is False
    return {
        "waiting_for": NO_WORKER if nobody and waiting.needs_worker else waiting.waiting_for,
        "position": position,
        "next_try_at": waiting.next_try_at,
        "no_worker_alive": None if anyone_alive is None else nobody,
    }
