"""The `files` collection as the API meets it: async, every query for a caller filtered by owner."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError

from app.db.apply import apply_async
from app.db.client import Record
from app.db.clock import ServerClock, server_now_async
from app.db.collections.twins import wake_same
from app.db.db import FILES, META
from app.db.transitions import intake, mend, person
from app.db.transitions.change import ABSENT, Change
from app.domain.file import new_token
from app.domain.status import IN_WORK, TERMINAL, Status

INTERNAL: Final = (
    "answers",
    "calls",
    "lease",
    "active_key",
    "analysis_key",
    "paid_calls",
    "unanswered",
    "undelivered",
    "outbox",
)
PUBLIC_VIEW: Final = dict.fromkeys(INTERNAL, 0)
Ring = Callable[[str], Awaitable[object]]


async def nobody_hears(_: str) -> None:
    """In place of a doorbell."""


class Files:
    """Queries and transitions of step 1 and of a person's requests."""

    def __init__(
        self,
        database: AsyncDatabase[Record],
        clock: ServerClock | None = None,
        announce: Callable[[ObjectId], None] = lambda _: None,
        ring: Ring = nobody_hears,
    ) -> None:
        self._database = database
        self._files = database[FILES]
        self.clock = clock or ServerClock()
        self._announce = announce
        self._ring = ring

    async def _apply(self, change: Change) -> bool:
        """A change; those who wait for the record are told."""
        landed = await apply_async(self._files, change)
        if landed and change.revises:
            self._announce(change.filter["_id"])
        return landed

    async def now(self) -> datetime:
        """The database server's time; asks it when the last answer has grown old."""
        return await server_now_async(self._database, self.clock)

    async def ping(self) -> None:
        await self._database.command("ping")

    async def storage_id(self, proposed: str) -> str:
        """The id of the storage that this database belongs to; `proposed` is taken when there is none yet."""
        try:
            adopted = {"_id": "storage", "storage_id": proposed, "adopted_at": await self.now()}
            await self._database[META].insert_one(adopted)
        except DuplicateKeyError:
            stored = await self._database[META].find_one({"_id": "storage"})
            return str(stored["storage_id"]) if stored else proposed
        return proposed

    async def insert_saving(
        self,
        file_id: ObjectId,
        token: str,
        owner: str,
        lease_s: float,
        *,
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        """(none) → saving. Raises DuplicateKeyError when the owner's idempotency key is taken."""
        record = intake.new_record(
            file_id,
            token,
            owner,
            await self.now(),
            lease_s,
            request_id=request_id,
            idempotency_key=idempotency_key,
        )
        await self._files.insert_one(record)

    async def renew_upload(self, file_id: ObjectId, token: str, lease_s: float) -> bool:
        until = await self.now() + timedelta(seconds=lease_s)
        return await apply_async(self._files, intake.renew_upload(file_id, token, until))

    async def accept(self, file_id: ObjectId, token: str, facts: dict[str, Any]) -> bool:
        """saving → queued; False when the record is no longer this upload's."""
        return await self._apply(intake.accept_upload(file_id, token, await self.now(), facts))

    async def discard_upload(self, file_id: ObjectId, token: str) -> bool:
        """Remove the `saving` record of this very upload; False when it is gone or was accepted."""
        result = await self._files.delete_one(intake.abandoned_upload(file_id, token))
        return result.deleted_count == 1

    async def state_of(self, file_id: ObjectId) -> Record | None:
        """Status, blob and owner of any record, for our own decisions; not for a caller."""
        wanted = {"status": 1, "blob": 1, "owner": 1, "accepted_by": 1, "deleted_at": 1, "lease": 1}
        return await self._files.find_one({"_id": file_id}, wanted)

    async def rung(self, file_ids: list[ObjectId], epoch: str) -> int:
        """Note it where nobody has claimed the document meanwhile; in how many it was."""
        noted = await self._files.update_many(*mend.rung_at_intake(file_ids, await self.now(), epoch))
        return noted.modified_count

    async def find(self, file_id: ObjectId, owner: str) -> Record | None:
        """The owner's record as a caller may see it, or None (another owner's, deleted, unknown)."""
        return await self._files.find_one(
            {"_id": file_id, "owner": owner, "deleted_at": ABSENT}, dict(PUBLIC_VIEW)
        )

    async def revisions(self, file_ids: list[ObjectId]) -> list[Record]:
        """Ids and revisions of those that are there; for our own waiting, not for a caller."""
        found = self._files.find({"_id": {"$in": file_ids}, "deleted_at": ABSENT}, {"revision": 1})
        return await found.to_list()

    async def states(self, file_ids: list[ObjectId]) -> list[Record]:
        """What their owners may see of them; whoever asks has shown to be the owner."""
        found = self._files.find({"_id": {"$in": file_ids}, "deleted_at": ABSENT}, dict(PUBLIC_VIEW))
        return await found.to_list()

    async def find_by_idempotency_key(self, owner: str, key: str) -> Record | None:
        """The record (or tombstone) that holds the key."""
        return await self._files.find_one({"owner": owner, "idempotency_key": key}, dict(PUBLIC_VIEW))

    async def forget_idempotency_key(self, file_id: ObjectId, key: str, now: datetime) -> bool:
        """Free a key whose time is over; False when somebody was quicker."""
        over = {"_id": file_id, "idempotency_key": key, "idempotency_until": {"$lte": now}}
        result = await self._files.update_one(
            over, {"$unset": {"idempotency_key": "", "idempotency_until": ""}}
        )
        return result.modified_count == 1

    async def free_idempotency_key(self, file_id: ObjectId, key: str) -> None:
        """Free the key of a document whose batch broke off."""
        await self._files.update_one(
            {"_id": file_id, "idempotency_key": key},
            {"$unset": {"idempotency_key": "", "idempotency_until": ""}},
        )

    async def position(self, queued_at: datetime) -> int:
        """How many documents stand before one that was queued at `queued_at`."""
        ahead = {"status": str(Status.QUEUED), "queued_at": {"$lt": queued_at}}
        return await self._files.count_documents(ahead, limit=10_000)

    async def in_flight(self, owner: str, limit: int) -> int:
        """How many of the owner's documents have not ended, counted up to `limit`."""
        unfinished = sorted(str(status) for status in Status if status not in TERMINAL)
        mine = {"owner": owner, "status": {"$in": unfinished}}
        return await self._files.count_documents(mine, limit=limit)

    async def stored_bytes(self, owner: str) -> int:
        """How much the owner's uploaded files take; not the pages that were drawn of them."""
        found = await self._files.aggregate(
            [
                {"$match": {"owner": owner, "deleted_at": ABSENT}},
                {"$group": {"_id": None, "bytes": {"$sum": "$size"}}},
            ]
        )
        return sum([int(one["bytes"]) async for one in found])

    async def anyone_working(self) -> bool:
        """Whether some worker holds a lease now."""
        held = {
            "status": {"$in": sorted(str(s) for s in IN_WORK)},
            "lease.until": {"$gt": await self.now()},
        }
        return await self._files.count_documents(held, limit=1) == 1

    async def cancel(self, file_id: ObjectId, owner: str) -> bool:
        """queued | in work → cancelled; documents that waited for its answer need not any longer."""
        cancelled = await self._apply(person.cancel(file_id, owner, new_token(), await self.now()))
        if cancelled:
            await self._wake_twins_of(await self._files.find_one({"_id": file_id}, {"analysis_key": 1}))
        return cancelled

    async def _wake_twins_of(self, ended: Record | None) -> None:
        """Best effort: they look again by themselves half a minute later."""
        with suppress(PyMongoError):
            key = ended.get("analysis_key") if ended else None
            for twin in await wake_same(self._files, self._apply, key, await self.now()):
                await self._ring(str(twin))

    async def retry(self, file_id: ObjectId, owner: str) -> bool:
        """failed | cancelled → queued; False when the record is in another state."""
        seen = await self._files.find_one({"_id": file_id, "owner": owner, "deleted_at": ABSENT})
        if seen is None:
            return False
        change = person.retry(
            file_id, owner, new_token(), await self.now(), seen["revision"], keep_plan=bool(seen["answered"])
        )
        return await self._apply(change)

    async def bury(self, file_id: ObjectId, owner: str) -> Record | None:
        """any → deleted: the record becomes a tombstone; answers what it was, None if there is none."""
        while True:
            seen = await self._files.find_one(person.deletable(file_id, owner))
            if seen is None:
                return None
            # As it was seen: an event that is stored meanwhile must not be replaced unseen.
            same = person.deletable(file_id, owner) | {"revision": seen["revision"]}
            stone = person.tombstone(seen, await self.now())
            if (await self._files.replace_one(same, stone)).matched_count:
                self._announce(file_id)
                await self._wake_twins_of(seen)
                return seen

    async def is_tombstone(self, file_id: ObjectId, owner: str) -> bool:
        """Whether this owner deleted it before (so that a second DELETE is answered like the first)."""
        buried = {"_id": file_id, "owner": owner, "deleted_at": {"$exists": True}}
        return await self._files.count_documents(buried, limit=1) == 1
