"""Reads `Figures`: counts that an index answers, so that looking at the service is no load on it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo.asynchronous.database import AsyncDatabase

from app.db.client import Record
from app.db.clock import ServerClock, server_now_async
from app.db.collections.tallies import WORK, read_tallies
from app.db.db import BATCHES, DELIVERIES, FILES, TALLIES
from app.db.transitions import notify
from app.domain.figures import RECENT_S, Figures
from app.domain.status import LEASED, TERMINAL, Status

OVERDUE: Final = timedelta(seconds=60)
"""A lease or a delivery that is over for so long was forgotten: the reconciler looks every few seconds."""
REASONS: Final = ("provider", "budget", "same document")


class FiguresReader:
    """For the API and the maintenance process; a few counts on each `read`."""

    def __init__(self, database: AsyncDatabase[Record], clock: ServerClock | None = None) -> None:
        self._database = database
        self._files = database[FILES]
        self._deliveries = database[DELIVERIES]
        self._batches = database[BATCHES]
        self._clock = clock or ServerClock()

    async def read(self) -> Figures:
        now = await server_now_async(self._database, self._clock)
        return Figures(
            documents=await self._by_status(),
            ended_recently=await self._ended_since(now - timedelta(seconds=RECENT_S)),
            waiting_for=await self._waiting_for(),
            due=await self._files.count_documents(_due(now)),
            oldest_due_s=await self._oldest_due_s(now),
            stuck=await self._stuck(now),
            events_waiting=await self._files.count_documents({"undelivered": True}),
            deliveries=await self._by_state(now),
            batches=await self._batches_by_state(),
            tallies=read_tallies(await self._database[TALLIES].find_one({"_id": WORK})),
        )

    async def _by_status(self) -> Mapping[str, int]:
        return {str(one): await self._files.count_documents({"status": str(one)}) for one in Status}

    async def _ended_since(self, since: datetime) -> Mapping[str, int]:
        ended = {"ended_at": {"$gte": since}}
        return {
            str(one): await self._files.count_documents({"status": str(one)} | ended)
            for one in sorted(TERMINAL)
        }

    async def _waiting_for(self) -> Mapping[str, int]:
        queued = {"status": str(Status.QUEUED)}
        return {one: await self._files.count_documents(queued | {"waiting_for": one}) for one in REASONS}

    async def _oldest_due_s(self, now: datetime) -> float:
        found = self._files.find(_due(now), {"next_try_at": 1}).sort("next_try_at", 1).limit(1)
        return max([(now - one["next_try_at"]).total_seconds() async for one in found], default=0.0)

    async def _stuck(self, now: datetime) -> int:
        held = {"status": {"$in": sorted(str(one) for one in LEASED)}}
        return await self._files.count_documents(held | {"lease.until": {"$lte": now - OVERDUE}})

    async def _by_state(self, now: datetime) -> Mapping[str, int]:
        pending: dict[str, Any] = {"state": notify.PENDING}
        wanted = {
            "pending": pending,
            "retrying": pending | {"attempts_made": {"$gte": 1}},
            "late": pending | {"next_at": {"$lte": now - OVERDUE}},
            "delivered": {"state": notify.DELIVERED},
            "failed": {"state": notify.FAILED},
        }
        return {name: await self._deliveries.count_documents(what) for name, what in wanted.items()}

    async def _batches_by_state(self) -> Mapping[str, int]:
        return {
            "open": await self._batches.count_documents({"lease.until": {"$exists": True}}),
            "known": await self._batches.estimated_document_count(),
        }


def _due(now: datetime) -> Record:
    return {"status": str(Status.QUEUED), "next_try_at": {"$lte": now}}
