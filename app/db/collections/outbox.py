"""Events that were stored with the end of a document or batch and are not handed on to their targets yet."""

from datetime import datetime

from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from app.db.client import Record
from app.db.db import BATCHES, FILES
from app.db.transitions.change import ABSENT
from app.domain.file import new_token
from app.domain.status import TERMINAL

NEEDED = dict.fromkeys(("owner", "outbox", "webhook_url", "batch_id", "request_id", "deleted_at"), 1)
ENDED = {"$in": sorted(str(status) for status in TERMINAL)}


class Outbox:
    """The maintenance process's view of what ended."""

    def __init__(self, database: AsyncDatabase[Record]) -> None:
        self._files = database[FILES]
        self._batches = database[BATCHES]

    async def waiting(self, limit: int) -> list[Record]:
        """Documents (and tombstones) whose events are to be handed on."""
        return await self._files.find({"undelivered": True}, NEEDED).limit(limit).to_list()

    async def clear(self, record: Record) -> bool:
        """The record's events are handed on; zero matched when another one came meanwhile.

        Events are only ever appended, or cleared all at once, so length and last id say "as I saw it".
        """
        events = record["outbox"]
        seen = {"_id": record["_id"], "outbox": {"$size": len(events)}, "outbox.id": events[-1]["id"]}
        unset = {"outbox": "", "undelivered": ""}
        if "deleted_at" in record:
            unset |= {"webhook_url": "", "batch_id": ""}
        return (await self._files.update_one(seen, {"$unset": unset})).matched_count == 1

    async def name_of(self, file_id: ObjectId) -> str | None:
        """The name of a document that was not deleted."""
        found = await self._files.find_one({"_id": file_id, "deleted_at": ABSENT}, {"name": 1})
        return str(found["name"]) if found else None

    async def look_at_batch(self, batch_id: str) -> None:
        """A document of it ended: somebody must see whether it was the last."""
        await self._batches.update_one({"_id": batch_id}, {"$set": {"check": new_token()}})

    async def batches_to_check(self, limit: int) -> list[Record]:
        return await self._batches.find({"check": {"$gt": ""}}).limit(limit).to_list()

    async def batch_checked(self, batch: Record) -> bool:
        """Looked at; zero matched when there is a newer reason to look again."""
        seen = {"_id": batch["_id"], "check": batch["check"]}
        return (await self._batches.update_one(seen, {"$unset": {"check": ""}})).matched_count == 1

    async def batch_ended_at(self, batch_id: str, owner: str) -> datetime | None:
        """When the last document of the batch ended; None while one has not, or none is left."""
        mine = {"batch_id": batch_id, "owner": owner, "deleted_at": ABSENT}
        if await self._files.count_documents(mine | {"status": {"$nin": ENDED["$in"]}}, limit=1):
            return None
        ends = [one["ended_at"] async for one in self._files.find(mine | {"status": ENDED}, {"ended_at": 1})]
        return max(ends, default=None)
