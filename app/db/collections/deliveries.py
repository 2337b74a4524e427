"""The `deliveries` collection: one document for each event and target, with its log of attempts."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from app.db.apply import apply_async
from app.db.client import Record
from app.db.clock import ServerClock, server_now_async
from app.db.db import DELIVERIES
from app.db.transitions import notify
from app.db.transitions.change import Change

SHOWN: Final = 1_000
"""Deliveries of one document that are listed; each has a handful."""


class Deliveries:
    """Async, for the API and for the maintenance process."""

    def __init__(self, database: AsyncDatabase[Record], clock: ServerClock | None = None) -> None:
        self._database = database
        self._deliveries = database[DELIVERIES]
        self._clock = clock or ServerClock()

    async def now(self) -> datetime:
        """The database server's time."""
        return await server_now_async(self._database, self._clock)

    async def add(self, deliveries: Iterable[Record]) -> None:
        """Insert those that are not there yet."""
        for delivery in deliveries:
            try:
                await self._deliveries.insert_one(delivery)
            except DuplicateKeyError:
                continue

    async def apply(self, change: Change, patience_s: float = 3.0) -> bool:
        return await apply_async(self._deliveries, change, patience_s)

    async def due(
        self, now: datetime, busy_lanes: list[str], busy_owners: list[str], limit: int
    ) -> list[Record]:
        """What may be attempted now, longest due first, leaving out whose slots are all taken."""
        what: Record = {"state": notify.PENDING, "next_at": {"$lte": now}}
        if busy_lanes:
            what["lane"] = {"$nin": busy_lanes}
        if busy_owners:
            what["owner"] = {"$nin": busy_owners}
        return await self._deliveries.find(what, {"attempts": 0}).sort("next_at", 1).limit(limit).to_list()

    async def of_file(self, file_id: ObjectId, owner: str) -> list[Record]:
        """In the order in which they were made: their numbers are their places in it."""
        found = self._deliveries.find({"file_id": file_id, "owner": owner}).sort("created_at", 1).limit(SHOWN)
        return sorted(await found.to_list(), key=lambda one: (one["created_at"], one["_id"]))

    async def find(self, delivery_id: str, owner: str) -> Record | None:
        return await self._deliveries.find_one({"_id": delivery_id, "owner": owner})

    async def redeliver(self, delivery_id: str, owner: str) -> bool:
        """Make it due now; False when it is being attempted at this moment."""
        return await self.apply(notify.redeliver(delivery_id, owner, await self.now()))
