"""The `endpoints` collection: where an owner wants every event, and the secrets that sign them.

The secret for `webhook_url`s of uploads lives here too, one for each owner, made when first needed.
"""

import base64
import os
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from app.db.client import Record
from app.db.clock import ServerClock, server_now_async
from app.db.db import ENDPOINTS
from app.db.transitions.notify import UPLOAD

OVERLAP: Final = timedelta(hours=24)
"""For so long after a rotation the old secret signs too."""
SECRET_BYTES: Final = 32
MAX_ENDPOINTS: Final = 20
"""Of one owner: each event is sent to every one of them."""


def new_secret() -> str:
    return "whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode("ascii")


def live_secrets(endpoint: Record, now: datetime) -> list[str]:
    """The current secret first, and the one before it while receivers may still use that."""
    return [str(one["key"]) for one in endpoint["secrets"] if "until" not in one or one["until"] > now]


def _id_of_uploads(owner: str) -> str:
    return f"uploads:{owner}"


class Endpoints:
    """Async, for the API and for the maintenance process; every query holds the owner."""

    def __init__(self, database: AsyncDatabase[Record], clock: ServerClock | None = None) -> None:
        self._database = database
        self._endpoints = database[ENDPOINTS]
        self._clock = clock or ServerClock()

    async def now(self) -> datetime:
        """The database server's time."""
        return await server_now_async(self._database, self._clock)

    async def add(self, owner: str, url: str, events: list[str]) -> Record:
        """A new endpoint with a secret of its own; an empty `events` means all."""
        endpoint: Record = {
            "_id": f"we_{secrets.token_hex(12)}",
            "owner": owner,
            "kind": "endpoint",
            "url": url,
            "events": events,
            "enabled": True,
            "created_at": await self.now(),
            "secrets": [{"key": new_secret()}],
        }
        await self._endpoints.insert_one(endpoint)
        return endpoint

    async def of_owner(self, owner: str) -> list[Record]:
        """Oldest first."""
        what = {"owner": owner, "kind": "endpoint"}
        return await self._endpoints.find(what).sort("created_at", 1).to_list()

    async def find(self, endpoint_id: str, owner: str) -> Record | None:
        return await self._endpoints.find_one({"_id": endpoint_id, "owner": owner, "kind": "endpoint"})

    async def remove(self, endpoint_id: str, owner: str) -> bool:
        gone = {"_id": endpoint_id, "owner": owner, "kind": "endpoint"}
        return (await self._endpoints.delete_one(gone)).deleted_count == 1

    async def enable(self, endpoint_id: str, owner: str, enabled: bool, reason: str | None = None) -> bool:
        """Switch it on or, with a reason that its owner may read, off."""
        facts: dict[str, Any] = {"enabled": enabled, "disabled_reason": reason}
        mine = {"_id": endpoint_id, "owner": owner, "kind": "endpoint"}
        return (await self._endpoints.update_one(mine, {"$set": facts})).matched_count == 1

    async def of_uploads(self, owner: str) -> Record:
        """Who signs for the owner's `webhook_url`s; made at the first call."""
        mine = {"_id": _id_of_uploads(owner)}
        found = await self._endpoints.find_one(mine)
        if found is not None:
            return found
        made: Record = {**mine, "owner": owner, "kind": UPLOAD, "secrets": [{"key": new_secret()}]}
        try:
            await self._endpoints.insert_one(made | {"created_at": await self.now()})
            return made
        except DuplicateKeyError:
            return await self.of_uploads(owner)

    async def rotate(self, endpoint: Record) -> Record | None:
        """A new secret; the old one signs beside it for a day. None when somebody rotated meanwhile."""
        old = endpoint["secrets"][0]["key"]
        until = await self.now() + OVERLAP
        facts = {"secrets": [{"key": new_secret()}, {"key": old, "until": until}]}
        result = await self._endpoints.update_one(
            {"_id": endpoint["_id"], "owner": endpoint["owner"], "secrets.0.key": old}, {"$set": facts}
        )
        return endpoint | facts if result.matched_count else None
