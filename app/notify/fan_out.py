"""From the outbox to deliveries: one for each event and each target that wants it.

Made first and cleared after; ids are the event's and the target's, so doing it twice, or in two
processes, makes each delivery once. Nothing is sent from here.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any, Final

import structlog
from bson import ObjectId

from app.db.client import Record
from app.db.collections.deliveries import Deliveries
from app.db.collections.endpoints import Endpoints
from app.db.collections.outbox import Outbox
from app.db.transitions.notify import UPLOAD, Target, new_delivery
from app.domain.event import EventType
from app.domain.webhook_url import lane_of

AT_ONCE: Final = 200
Deal = Callable[[Record, list[Record]], Awaitable[None]]

log = structlog.get_logger(__name__)


class FanOut:
    """`step` hands on what waits, a bounded number at a time."""

    def __init__(self, outbox: Outbox, deliveries: Deliveries, endpoints: Endpoints) -> None:
        self._outbox = outbox
        self._deliveries = deliveries
        self._endpoints = endpoints

    async def step(self) -> int:
        """How many documents and batches were dealt with."""
        known: dict[str, list[Record]] = {}
        done = 0
        for record in await self._outbox.waiting(AT_ONCE):
            done += await self._dealt_with(self._hand_on, record, known)
        for batch in await self._outbox.batches_to_check(AT_ONCE):
            done += await self._dealt_with(self._look_at, batch, known)
        return done

    async def _dealt_with(self, deal: Deal, record: Record, known: dict[str, list[Record]]) -> bool:
        """One record that cannot be understood must not keep all others waiting."""
        try:
            owner = record["owner"]
            if owner not in known:
                known[owner] = await self._endpoints.of_owner(owner)
            await deal(record, known[owner])
        except (KeyError, TypeError, ValueError, IndexError):
            log.exception("webhooks_record_not_understood", file_id=str(record["_id"]))
            return False
        return True

    async def _hand_on(self, record: Record, endpoints: list[Record]) -> None:
        now = await self._deliveries.now()
        for event in record["outbox"]:
            await self._deliveries.add(_wanted(event, record, endpoints, now, file_id=record["_id"]))
        if "batch_id" in record:
            await self._outbox.look_at_batch(record["batch_id"])
        await self._outbox.clear(record)

    async def _look_at(self, batch: Record, endpoints: list[Record]) -> None:
        """Complete when it takes no more documents (`total` is known) and each has ended."""
        batch_id, owner = batch["_id"], batch["owner"]
        ended_at = await self._outbox.batch_ended_at(batch_id, owner) if "total" in batch else None
        if ended_at is not None:
            event = {
                "id": _batch_event_id(batch_id, ended_at),
                "type": str(EventType.BATCH_COMPLETED),
                "at": ended_at,
            }
            now = await self._deliveries.now()
            await self._deliveries.add(_wanted(event, batch, endpoints, now, batch_id=batch_id))
        await self._outbox.batch_checked(batch)


def _wanted(
    event: Record,
    source: Record,
    endpoints: list[Record],
    now: datetime,
    *,
    file_id: ObjectId | None = None,
    batch_id: str | None = None,
) -> list[Record]:
    targets = _targets(event, source, endpoints)
    return [
        new_delivery(
            event,
            target,
            source["owner"],
            now,
            file_id=file_id,
            batch_id=batch_id,
            request_id=source.get("request_id"),
        )
        for target in targets
    ]


def _targets(event: Record, source: Record, endpoints: list[Record]) -> Iterator[Target]:
    url: Any = source.get("webhook_url")
    if url:
        yield Target(UPLOAD, url, lane_of(source["owner"], url))
    for endpoint in endpoints:
        if endpoint["enabled"] and (not endpoint["events"] or event["type"] in endpoint["events"]):
            yield Target(endpoint["_id"], endpoint["url"], endpoint["_id"])


def _batch_event_id(batch_id: str, ended_at: datetime) -> str:
    """The same for everybody who sees this end; another one when documents were retried and ended again."""
    seen = f"{batch_id} {ended_at.isoformat()}".encode()
    return f"msg_{hashlib.sha256(seen).hexdigest()[:24]}"
