"""Rings for accepted documents, and notes a moment later in one write which of them still wait.

The note keeps the reconciler from looking at them again at once. Most documents are claimed before it is
written and never need it: noting each at once would be a third write for every upload, and just
when a worker wants to claim the record.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol

from bson import ObjectId
from pymongo.errors import PyMongoError

from app.db.collections.files import Files

NOTE_AFTER_S: Final = 0.3
"""Well below the second for which the reconciler leaves a new document alone."""

Start = Callable[[Coroutine[Any, Any, None]], object]


class Bell(Protocol):
    """The part of the doorbell that step 1 needs; it never raises."""

    async def ring_async(self, file_id: str) -> bool: ...

    async def epoch_async(self) -> str | None: ...


class Ringing:
    """One a process. `start` runs a task that is waited for before the database's connection closes."""

    def __init__(self, files: Files, bell: Bell, start: Start) -> None:
        self._files = files
        self._bell = bell
        self._start = start
        self._rung: dict[str, list[ObjectId]] = {}
        """By the life of Valkey's data in which the bell was rung."""

    async def ring(self, file_id: str) -> None:
        """Tell a worker, best effort: the reconciler rings for whatever this misses."""
        if not await self._bell.ring_async(file_id):
            return
        epoch = await self._bell.epoch_async()
        if epoch is None:
            return
        if not self._rung:
            self._start(self._note())
        self._rung.setdefault(epoch, []).append(ObjectId(file_id))

    async def _note(self) -> None:
        await asyncio.sleep(NOTE_AFTER_S)
        rung, self._rung = self._rung, {}
        for epoch, file_ids in rung.items():
            with suppress(PyMongoError):
                await self._files.rung(file_ids, epoch)
