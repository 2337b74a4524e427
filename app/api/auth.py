"""Who is asking: the key in the request's headers, checked against its record.

Only a key that was found and fits lets anybody in. A database that cannot be asked is a 503, never a 401
and never an open door.
"""

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog
from cachetools import TTLCache
from pymongo.errors import PyMongoError
from starlette.datastructures import Headers

from app.db.collections.keys import Keys
from app.domain.errors import DomainError
from app.domain.keys import Caller, KeyRecord, Presented, Scope, parse_key

CACHE_S: Final = 5.0
"""So long a revoked key may still work in a process that has seen it a moment ago."""
CACHED_KEYS: Final = 10_000
NOTE_EVERY_S: Final = 60.0
IN_QUERY: Final = re.compile(
    rb"frag(?:_|%5f)[0-9a-z]{8}(?:_|%5f)|(?:^|&)(?:api[-_]?key|x-api-key)=", re.IGNORECASE
)
HOW: Final = "Send it as 'Authorization: Bearer frag_…' or 'X-API-Key: frag_…'."

log = structlog.get_logger(__name__)


class KeyMissing(DomainError):
    code = "key_missing"
    default_message = (
        f"This needs an API key. {HOW} The operator makes one: python -m app.cli keys create --name NAME"
    )


class KeyInvalid(DomainError):
    code = "key_invalid"
    default_message = f"This API key is not known here. {HOW} See that all 57 characters of it are there."


class KeyExpired(DomainError):
    code = "key_expired"
    default_message = "This API key has expired. Ask the operator for a new one (keys rotate ID)."


class KeyRevoked(DomainError):
    code = "key_revoked"
    default_message = "This API key was revoked. Ask the operator for a new one."


class KeyInQuery(DomainError):
    code = "key_in_query"
    default_message = (
        f"A key in an address ends up in logs and histories, so it is not accepted there. {HOW} "
        "Revoke the key that was sent."
    )


class ScopeMissing(DomainError):
    code = "scope_missing"

    def __init__(self, needed: Scope) -> None:
        super().__init__(f"This needs a key with the scope '{needed}'. Ask the operator for one.")


def shown_key(headers: Headers) -> Presented:
    """The key of a request's headers, not yet checked; raises when there is none or none of ours."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    text = bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()
    if not text:
        raise KeyMissing()
    presented = parse_key(text)
    if presented is None:
        raise KeyInvalid()
    return presented


def refuse_key_in_query(query: bytes) -> None:
    if IN_QUERY.search(query):
        raise KeyInQuery()


class KeyRing:
    """The keys as this process knows them: looked up once every few seconds, last use noted in bulk."""

    def __init__(self, keys: Keys, timer: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._known: TTLCache[str, KeyRecord] = TTLCache(CACHED_KEYS, CACHE_S, timer)
        self._used: dict[str, datetime] = {}

    async def caller(self, presented: Presented) -> Caller:
        """Whose key it is. Raises KeyInvalid, KeyExpired, KeyRevoked, or the database's own error."""
        known = self._known.get(presented.key_id)
        record = known or await self._keys.find(presented.key_id)
        if record is None or not record.matches(presented):
            raise KeyInvalid()
        now = await self._keys.now()
        if record.revoked_at is not None:
            raise KeyRevoked()
        if record.expired(now):
            raise KeyExpired()
        if known is None:  # not renewed by use: a revocation must be seen
            self._known[record.key_id] = record
        self._used[record.key_id] = now
        return Caller(record.owner, record.scope, record.key_id)

    async def note_uses(self) -> None:
        """Write down when each key was used last, for those used since the last time."""
        used, self._used = self._used, {}
        try:
            await self._keys.used(used)
        except PyMongoError as error:
            self._used = used | self._used
            log.warning("last_use_not_noted", error_type=type(error).__name__)

    async def run(self) -> None:
        """Until cancelled; the last uses are noted then, if the database is there."""
        try:
            while True:
                await asyncio.sleep(NOTE_EVERY_S)
                await self.note_uses()
        finally:
            with suppress(Exception):
                async with asyncio.timeout(2):
                    await self.note_uses()
