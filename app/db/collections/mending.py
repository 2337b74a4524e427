"""The `files` collection as the reconciler meets it: what is overdue, and the change that mends it."""

from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from app.db.apply import apply_async
from app.db.client import Record
from app.db.db import FILES
from app.db.transitions import intake
from app.db.transitions.change import ABSENT, Change
from app.domain.status import IN_WORK, TERMINAL, Status

IN_WORK_FILTER = {"$in": sorted(str(s) for s in IN_WORK)}
ENDED_FILTER = {"$in": sorted(str(s) for s in TERMINAL)}
HEAVY = {"answers": 0, "calls": 0, "result": 0, "data": 0}


class Mending:
    """Looks for overdue records, oldest first, a bounded number at a time."""

    def __init__(self, database: AsyncDatabase[Record], limit: int = 500) -> None:
        self._files = database[FILES]
        self._limit = limit

    async def apply(self, change: Change) -> bool:
        return await apply_async(self._files, change, patience_s=0)

    async def _find(self, what: Record, sort: str) -> list[Record]:
        found = self._files.find(what, HEAVY).sort(sort, 1).limit(self._limit)
        return await found.to_list()

    async def expired_leases(self, now: datetime) -> list[Record]:
        return await self._find({"status": IN_WORK_FILTER, "lease.until": {"$lte": now}}, "lease.until")

    async def dead_uploads(self, now: datetime) -> list[Record]:
        return await self._find({"status": str(Status.SAVING), "lease.until": {"$lte": now}}, "lease.until")

    async def remove_dead_upload(self, record: Record, now: datetime) -> bool:
        gone = intake.abandoned_upload(record["_id"], record["lease"]["token"], now)
        return (await self._files.delete_one(gone)).deleted_count == 1

    async def due(self, now: datetime) -> list[Record]:
        """Queued records whose time has come, whether rung for or not."""
        return await self._find({"status": str(Status.QUEUED), "next_try_at": {"$lte": now}}, "next_try_at")

    async def too_old(self, now: datetime, age_s: float) -> list[Record]:
        """Queued records that were accepted (or retried by a person) longer ago than that."""
        since = now - timedelta(seconds=age_s)
        return await self._find({"status": str(Status.QUEUED), "accepted_at": {"$lte": since}}, "queued_at")

    async def past_retention(self, now: datetime, days: float) -> list[Record]:
        before = now - timedelta(days=days)
        return await self._find({"status": ENDED_FILTER, "ended_at": {"$lte": before}}, "ended_at")

    async def tombstones(self) -> list[Record]:
        return await self._find({"deleted_at": {"$exists": True}, "swept_at": ABSENT}, "deleted_at")

    async def swept(self, file_id: ObjectId, now: datetime) -> None:
        await self._files.update_one({"_id": file_id}, {"$set": {"swept_at": now}})

    async def remove_old_tombstones(self, now: datetime, age: timedelta) -> int:
        """Tombstones that have been swept and whose late writers are long gone."""
        old = {"deleted_at": {"$lte": now - age}, "swept_at": {"$exists": True}}
        return (await self._files.delete_many(old)).deleted_count

    async def known(self, file_ids: list[ObjectId]) -> set[ObjectId]:
        """Which of these have a record (or a tombstone)."""
        found = self._files.find({"_id": {"$in": file_ids}}, {"_id": 1})
        return {record["_id"] async for record in found}

    async def counts(self) -> dict[str, Any]:
        """Documents by status, for the log and the metrics."""
        return {str(status): await self._files.count_documents({"status": str(status)}) for status in Status}
