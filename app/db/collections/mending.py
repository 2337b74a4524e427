"""The `files` collection as the reconciler meets it: what is overdue, and the change that mends it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from app.db.apply import apply_async
from app.db.client import Record
from app.db.clock import ServerClock, server_now_async
from app.db.collections.twins import wake_same
from app.db.db import FILES, META
from app.db.transitions import intake, person
from app.db.transitions.change import ABSENT, Change
from app.domain.status import IN_WORK, TERMINAL, Status

IN_WORK_FILTER: Final = {"$in": sorted(str(s) for s in IN_WORK)}
BURIED: Final = {"$gt": datetime(1970, 1, 1, tzinfo=UTC)}
"""A tombstone's `deleted_at`, as a range: that is what every server looks up in the index."""
NEEDED: Final = dict.fromkeys(
    (
        "status", "lease", "attempts_made", "unanswered", "claimed_at", "next_try_at", "rung_at",
        "rung_epoch", "queued_at", "accepted_at", "ended_at", "waiting_for", "revision", "error",
        "deleted_at", "blob", "owner", "sha256", "idempotency_key", "idempotency_until", "analysis_key",
        "undelivered", "outbox", "webhook_url", "batch_id",
    ),
    1,
)  # fmt: skip
"""What the reconciler decides on; never a result or an answer."""


class Mending:
    """Looks for overdue records, oldest first, a bounded number at a time."""

    def __init__(
        self,
        database: AsyncDatabase[Record],
        clock: ServerClock | None = None,
        limit: int = 500,
        announce: Callable[[ObjectId], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._files = database[FILES]
        self._clock = clock or ServerClock()
        self._limit = limit
        self._announce = announce

    async def now(self) -> datetime:
        """The database server's time."""
        return await server_now_async(self._database, self._clock)

    async def apply(self, change: Change) -> bool:
        landed = await apply_async(self._files, change, patience_s=0)
        if landed and change.revises:
            self._announce(change.filter["_id"])
        return landed

    async def _find(self, what: Record, sort: str) -> list[Record]:
        found = self._files.find(what, NEEDED).sort(sort, 1).limit(self._limit)
        return await found.to_list()

    async def expired_leases(self, now: datetime) -> list[Record]:
        return await self._find({"status": IN_WORK_FILTER, "lease.until": {"$lte": now}}, "lease.until")

    async def wake_twins_of(self, ended: Record, now: datetime) -> list[ObjectId]:
        """Those that waited for its answer, which will not come; due from `now` on."""
        return await wake_same(self._files, self.apply, ended.get("analysis_key"), now)

    async def dead_uploads(self, now: datetime) -> list[Record]:
        return await self._find({"status": str(Status.SAVING), "lease.until": {"$lte": now}}, "lease.until")

    async def remove_dead_upload(self, record: Record, now: datetime) -> bool:
        gone = intake.abandoned_upload(record["_id"], record["lease"]["token"], now)
        return (await self._files.delete_one(gone)).deleted_count == 1

    async def unheard(self, now: datetime, epoch: str, quiet: timedelta, settled: timedelta) -> list[Record]:
        """Queued records whose time has come and for which perhaps no bell was heard.

        Never rung (and queued for `quiet`, so that whoever queued it had time to ring), rung in
        another life of Valkey, rung before its time, or rung `settled` ago and still queued.
        """
        due: Record = {"status": str(Status.QUEUED), "next_try_at": {"$lte": now}}
        if await self._files.find_one(due, {"_id": 1}) is None:
            return []
        lately = {"$gt": now - settled}
        reasons: list[Record] = [
            {"rung_at": ABSENT, "queued_at": {"$lte": now - quiet}},
            {"rung_at": {"$exists": True}, "rung_epoch": {"$ne": epoch}},
            {"rung_at": {"$lte": now - settled}},
            {"rung_at": lately, "next_try_at": {"$lte": now, **lately}},
        ]
        # One query each: an `$or` or an `$expr` makes some servers of this protocol scan the collection.
        found = [record for reason in reasons for record in await self._find(due | reason, "next_try_at")]
        unheard = {r["_id"]: r for r in found if _perhaps_unheard(r, epoch, now - settled)}
        return sorted(unheard.values(), key=lambda record: record["next_try_at"])[: self._limit]

    async def too_old(self, now: datetime, age_s: float) -> list[Record]:
        """Queued records that were accepted (or retried by a person) longer ago than that."""
        since = now - timedelta(seconds=age_s)
        return await self._find({"status": str(Status.QUEUED), "accepted_at": {"$lte": since}}, "queued_at")

    async def exhausted(self, max_attempts: int) -> list[Record]:
        """Queued records that nobody may claim: no attempt is left and something is still to be paid."""
        spent = {"attempts_made": {"$gte": max_attempts}, "unanswered": {"$ne": []}}
        return await self._find({"status": str(Status.QUEUED), **spent}, "queued_at")

    async def past_retention(self, now: datetime, days: float) -> list[Record]:
        """Ended records older than that. One query a status: an equality lets the index sort."""
        before = now - timedelta(days=days)
        found: list[Record] = []
        for status in sorted(TERMINAL):
            found += await self._find({"status": str(status), "ended_at": {"$lte": before}}, "ended_at")
        return found

    async def retire(self, record: Record, now: datetime) -> bool:
        """An ended record becomes a tombstone; its bytes are swept as any tombstone's."""
        stone = person.tombstone(record, now)
        return (await self._files.replace_one(person.retired(record), stone)).matched_count == 1

    async def unswept(self) -> list[Record]:
        """Tombstones whose bytes nobody removed yet."""
        return await self._find({"deleted_at": BURIED, "swept_at": ABSENT}, "deleted_at")

    async def unswept_again(self, now: datetime, later: timedelta) -> list[Record]:
        """Tombstones old enough that no worker can still be writing, and not swept since."""
        what = {"deleted_at": {"$lte": now - later}, "swept_at": {"$exists": True}, "swept_again_at": ABSENT}
        return await self._find(what, "deleted_at")

    async def swept(self, file_id: ObjectId, now: datetime, mark: str = "swept_at") -> None:
        await self._files.update_one({"_id": file_id, "deleted_at": BURIED}, {"$set": {mark: now}})

    async def forget_tombstones(self, now: datetime, age: timedelta) -> int:
        """Remove tombstones that were swept twice and that nobody asks for any more, their events told."""
        old = {
            "deleted_at": {"$lte": now - age},
            "swept_again_at": {"$exists": True},
            "undelivered": ABSENT,
        }
        return (await self._files.delete_many(old)).deleted_count

    async def free_idempotency_keys(self, now: datetime) -> int:
        """Take the keys whose time is over from their records."""
        unset = {"$unset": {"idempotency_key": "", "idempotency_until": ""}}
        return (await self._files.update_many({"idempotency_until": {"$lte": now}}, unset)).modified_count

    async def storage_adopted(self) -> tuple[str, datetime] | None:
        """The storage that belongs to this database, and since when."""
        meta = await self._database[META].find_one({"_id": "storage"})
        return (meta["storage_id"], meta["adopted_at"]) if meta and "adopted_at" in meta else None

    async def known(self, file_ids: list[ObjectId]) -> set[ObjectId]:
        """Which of these have a record (or a tombstone)."""
        found = self._files.find({"_id": {"$in": file_ids}}, {"_id": 1})
        return {record["_id"] async for record in found}

    async def counts(self) -> dict[str, Any]:
        """Documents by status, for the log and the metrics."""
        return {str(status): await self._files.count_documents({"status": str(status)}) for status in Status}


def _perhaps_unheard(record: Record, epoch: str, settled: datetime) -> bool:
    """Of what was rung for lately in this life of Valkey, only what was rung for before its time."""
    rung_at = record.get("rung_at")
    if rung_at is None or rung_at <= settled or record.get("rung_epoch") != epoch:
        return True
    return bool(rung_at < record["next_try_at"])
