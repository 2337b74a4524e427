"""The reconciler's steps on bytes: dead uploads, tombstones, retention, and bytes that nobody knows."""

import asyncio
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from bson import ObjectId

from app.config import SharedSettings
from app.db.collections.mending import Mending
from app.queue.tally import Tally

LATE_WRITER: Final = timedelta(hours=1)
"""Longer than any job: after that no worker can still be storing pages of a deleted document."""
REMEMBERED: Final = timedelta(hours=24)
"""For so long a second DELETE by the owner is answered like the first."""
ORPHAN_AGE: Final = timedelta(days=1)
CHUNK: Final = 500

log = structlog.get_logger(__name__)


class Bytes(Protocol):
    """The storage, as far as the reconciler uses it."""

    async def delete_prefix(self, prefix: str) -> None:
        """Remove everything of one document; fine when there is nothing."""

    async def list_ids(self) -> dict[str, datetime]:
        """Every document that has bytes, with the time of its newest."""

    def stored_id(self) -> str | None:
        """The storage's own id."""


class ByteSteps:
    """Record first, bytes after: what fails in between is found again by a later tick."""

    def __init__(self, files: Mending, storage: Bytes, settings: SharedSettings, tally: Tally) -> None:
        self._files = files
        self._storage = storage
        self._retention_days = settings.retention_days
        self._tally = tally

    async def dead_uploads(self) -> None:
        """saving → (removed), and then its bytes: an id dies with its record, so all under it is its own."""
        now = await self._files.now()
        for record in await self._files.dead_uploads(now):
            # Only what was removed here and now: an upload that was accepted meanwhile keeps its bytes.
            if await self._files.remove_dead_upload(record, now):
                self._tally.acted("dead_upload_removed", record["_id"])
                await self._storage.delete_prefix(str(record["_id"]))

    async def retention(self) -> None:
        """Ended records past RETENTION_DAYS become tombstones; the next step sweeps their bytes."""
        if not self._retention_days:
            return
        now = await self._files.now()
        for record in await self._files.past_retention(now, self._retention_days):
            if await self._files.retire(record, now):
                self._tally.acted("retention_over", record["_id"])

    async def tombstones(self) -> None:
        """Remove the bytes of deleted documents."""
        for record in await self._files.unswept():
            await self._sweep(record["_id"], "swept_at")

    async def old_tombstones(self) -> None:
        """Sweep once more what a late writer may have left, then forget the tombstone."""
        now = await self._files.now()
        for record in await self._files.unswept_again(now, LATE_WRITER):
            await self._sweep(record["_id"], "swept_again_at")
        self._tally.acted("tombstone_forgotten", count=await self._files.forget_tombstones(now, REMEMBERED))

    async def _sweep(self, file_id: ObjectId, mark: str) -> None:
        await self._storage.delete_prefix(str(file_id))
        await self._files.swept(file_id, await self._files.now(), mark)
        self._tally.acted("tombstone_swept", file_id)

    async def idempotency_keys(self) -> None:
        """Free the keys whose day is over."""
        now = await self._files.now()
        self._tally.acted("idempotency_key_freed", count=await self._files.free_idempotency_keys(now))

    async def orphans(self) -> None:
        """Bytes without a record, older than a day.

        Only what was written since this very database took this very storage: beside a new, empty
        database every document would look like an orphan.
        """
        adopted = await self._files.storage_adopted()
        if adopted is None or await asyncio.to_thread(self._storage.stored_id) != adopted[0]:
            log.warning("reconcile_storage_not_ours")
            return
        before = await self._files.now() - ORPHAN_AGE
        listed = await self._storage.list_ids()
        old = sorted(ObjectId(name) for name, newest in listed.items() if adopted[1] <= newest <= before)
        for start in range(0, len(old), CHUNK):
            chunk = old[start : start + CHUNK]
            for file_id in set(chunk) - await self._files.known(chunk):
                if not await self._files.known([file_id]):  # asked again right before: deleting is for ever
                    await self._storage.delete_prefix(str(file_id))
                    self._tally.acted("orphan_removed", file_id)
