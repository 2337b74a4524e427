"""The `batches` collection and the documents of one batch, as the API and the reconciler meet them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final

from bson import ObjectId
from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase

from app.db.apply import apply_async
from app.db.client import Record
from app.db.clock import ServerClock, server_now_async
from app.db.db import BATCHES, FILES
from app.db.transitions import batch as changes
from app.db.transitions.change import ABSENT
from app.domain.status import Status

A_DAY: Final = timedelta(days=1)
INTERNAL: Final = dict.fromkeys(("lease", "check", "closed_by", "fingerprint", "idempotency_key"), 0)
EXPORTED: Final = dict.fromkeys(
    ("name", "status", "result", "data", "error", "pages", "usage", "metadata", "created_at", "ended_at"), 1
)


class Batches:
    """Every query that is made for a caller is filtered by owner."""

    def __init__(self, database: AsyncDatabase[Record], clock: ServerClock | None = None) -> None:
        self._database = database
        self._batches = database[BATCHES]
        self._files = database[FILES]
        self._clock = clock or ServerClock()

    async def now(self) -> datetime:
        return await server_now_async(self._database, self._clock)

    async def open(
        self,
        batch_id: str,
        token: str,
        owner: str,
        lease_s: float,
        *,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        """(none) → open. An older batch that held the key has had its time."""
        if idempotency_key is not None:
            held = {"owner": owner, "idempotency_key": idempotency_key}
            await self._batches.update_many(
                held, {"$unset": {"idempotency_key": "", "idempotency_until": ""}}
            )
        record = changes.new_batch(
            batch_id,
            token,
            owner,
            await self.now(),
            lease_s,
            webhook_url=webhook_url,
            idempotency_key=idempotency_key,
        )
        await self._batches.insert_one(record)

    async def renew(self, batch_id: str, token: str, lease_s: float) -> bool:
        until = await self.now() + timedelta(seconds=lease_s)
        return await apply_async(self._batches, changes.renew(batch_id, token, until))

    async def close(
        self,
        batch_id: str,
        token: str,
        file_ids: list[str],
        refused: list[dict[str, str]],
        fingerprint: str | None,
    ) -> bool:
        """open → closed, by the request itself; without a fingerprint it broke off."""
        facts: dict[str, Any] = {"file_ids": file_ids, "refused": refused}
        if fingerprint is not None:
            facts["fingerprint"] = fingerprint
        return await self._close(batch_id, token, len(file_ids), facts)

    async def close_abandoned(self, batch: Record) -> bool:
        """open → closed, by the reconciler: its request is dead, its documents are what was accepted."""
        found = self._files.find({"batch_id": batch["_id"]}, {"_id": 1}).sort("batch_n", ASCENDING)
        file_ids = [str(one["_id"]) async for one in found]
        facts = {"file_ids": file_ids}
        return await self._close(batch["_id"], batch["lease"]["token"], len(file_ids), facts)

    async def _close(self, batch_id: str, token: str, total: int, facts: dict[str, Any]) -> bool:
        now = await self.now()
        change = changes.close(batch_id, token, now, total, now + A_DAY, facts)
        return await apply_async(self._batches, change)

    async def find(self, batch_id: str, owner: str) -> Record | None:
        """The owner's batch as a caller may see it, or None."""
        return await self._batches.find_one({"_id": batch_id, "owner": owner}, INTERNAL)

    async def find_by_key(self, owner: str, key: str) -> Record | None:
        """The batch that the key was used for, while that counts."""
        held = {"owner": owner, "idempotency_key": key, "idempotency_until": {"$gt": await self.now()}}
        return await self._batches.find_one(held)

    async def counts(self, batch_id: str, owner: str) -> dict[str, int]:
        """How many of its documents there are of each status; those that are not there are left out."""
        questions = [
            self._files.count_documents({"batch_id": batch_id, "status": str(status), "owner": owner})
            for status in Status
        ]
        numbers = await asyncio.gather(*questions)
        return {str(status): number for status, number in zip(Status, numbers, strict=True) if number}

    async def with_status(self, batch_id: str, owner: str, *statuses: Status) -> list[ObjectId]:
        """Its documents that have one of these, in their order."""
        mine = {"batch_id": batch_id, "owner": owner, "status": {"$in": [str(status) for status in statuses]}}
        found = self._files.find(mine, {"batch_n": 1})
        return [one["_id"] for one in sorted(await found.to_list(), key=lambda one: one["batch_n"])]

    async def documents(self, batch_id: str, owner: str) -> AsyncIterator[Record]:
        """All of them with their results, in their order, a few at a time."""
        mine = {"batch_id": batch_id, "owner": owner, "deleted_at": ABSENT}
        async for record in self._files.find(mine, EXPORTED, batch_size=50).sort("batch_n", ASCENDING):
            yield record

    async def abandoned(self, limit: int = 100) -> list[Record]:
        """Open ones whose request is dead: nobody renews their lease."""
        dead = {"lease.until": {"$lte": await self.now()}}
        return (
            await self._batches.find(dead, {"lease": 1}).sort("lease.until", ASCENDING).limit(limit).to_list()
        )

    async def forget_empty(self, limit: int = 100) -> int:
        """Remove closed ones of which no document is left, looked at once a day; how many."""
        now, removed = await self.now(), 0
        due = self._batches.find({"look_again_at": {"$lte": now}}, {"_id": 1})
        for batch in await due.sort("look_again_at", ASCENDING).limit(limit).to_list():
            if await self._files.count_documents({"batch_id": batch["_id"]}, limit=1):
                later = {"$set": {"look_again_at": now + A_DAY}}
                await self._batches.update_one({"_id": batch["_id"]}, later)
            else:
                removed += (await self._batches.delete_one({"_id": batch["_id"]})).deleted_count
        return removed
