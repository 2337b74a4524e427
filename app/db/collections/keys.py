"""The `keys` collection: who may come in. The key itself is in none of it, only its SHA-256."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from app.db.client import Record
from app.db.clock import ServerClock, server_now_async
from app.db.db import KEYS
from app.domain.keys import KeyRecord, NewKey, Scope, make_key


class Keys:
    """Made, looked up, limited in time, revoked. Nothing is ever removed: a revoked key stays explained."""

    def __init__(self, database: AsyncDatabase[Record], clock: ServerClock | None = None) -> None:
        self._database = database
        self._keys = database[KEYS]
        self.clock = clock or ServerClock()

    async def now(self) -> datetime:
        """The database server's time."""
        return await server_now_async(self._database, self.clock)

    async def create(self, name: str, owner: str, scope: Scope, expires_at: datetime | None = None) -> NewKey:
        """A new key; its text is in the answer and nowhere else."""
        while True:
            made = make_key()
            record: Record = {
                "_id": made.key_id,
                "owner": owner,
                "name": name,
                "scope": str(scope),
                "hash": made.digest,
                "created_at": await self.now(),
                "expires_at": expires_at,
                "revoked_at": None,
                "last_used_at": None,
                "replaced_by": None,
            }
            try:
                await self._keys.insert_one(record)
            except DuplicateKeyError:  # one of 36 to the 8th
                continue
            return made

    async def find(self, key_id: str) -> KeyRecord | None:
        record = await self._keys.find_one({"_id": key_id})
        return None if record is None else _key_record(record)

    async def all(self) -> list[KeyRecord]:
        """Every key, oldest first."""
        found = [_key_record(record) async for record in self._keys.find({})]
        return sorted(found, key=lambda one: one.created_at)

    async def revoke(self, key_id: str) -> bool:
        """At once; False when it is unknown or was revoked before."""
        change = {"$set": {"revoked_at": await self.now()}}
        result = await self._keys.update_one({"_id": key_id, "revoked_at": None}, change)
        return result.matched_count == 1

    async def replace(self, old: KeyRecord, successor: str, until: datetime) -> bool:
        """Let `old` end at `until`, or sooner where it would; False when it is no longer what was seen."""
        ends = until if old.expires_at is None else min(until, old.expires_at)
        seen = {"_id": old.key_id, "revoked_at": None, "replaced_by": None}
        change = {"$set": {"expires_at": ends, "replaced_by": successor}}
        return (await self._keys.update_one(seen, change)).matched_count == 1

    async def used(self, times: Mapping[str, datetime]) -> None:
        """Note when each key was used last; a later note of another process stays."""
        await asyncio.gather(
            *(
                self._keys.update_one({"_id": key}, {"$max": {"last_used_at": at}})
                for key, at in times.items()
            )
        )


def _key_record(record: Record) -> KeyRecord:
    return KeyRecord(
        key_id=record["_id"],
        owner=record["owner"],
        name=record["name"],
        scope=Scope(record["scope"]),
        digest=record["hash"],
        created_at=record["created_at"],
        expires_at=record.get("expires_at"),
        revoked_at=record.get("revoked_at"),
        last_used_at=record.get("last_used_at"),
        replaced_by=record.get("replaced_by"),
    )
