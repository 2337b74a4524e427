"""Step 1: record → store → queued → ring, in this order, and what is undone when it breaks off."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any

from app.db.collections.batches import Batches
from app.db.collections.files import Files
from app.intake.file_part import Limits
from app.intake.incoming import Sender
from app.intake.quotas import Quotas
from app.intake.ringing import Bell, Ringing
from app.intake.submission import Accepted, BrokenOff, Submission
from app.intake.upload import receive
from app.storage.base import Storage


@dataclass(frozen=True)
class Wish:
    """One request to accept a document, or a batch of them."""

    chunks: AsyncIterator[bytes]
    content_type: str | None
    sender: Sender
    fresh: bool = False


class Intake:
    """Accepts documents; one a process."""

    def __init__(
        self,
        files: Files,
        batches: Batches,
        storage: Storage,
        bell: Bell,
        lease_s: float,
        limits: Limits,
        quotas: Quotas | None = None,
    ) -> None:
        self.files = files
        self.batches = batches
        self.quotas = quotas or Quotas(files)
        self.storage = storage
        self.limits = limits
        self.lease_s = lease_s
        self._running: set[asyncio.Task[Any]] = set()
        self._ringing = Ringing(files, bell, self._start)

    async def accept(self, wish: Wish) -> Accepted:
        """Receive, store and queue. A single document is not rung for: see `ring`.

        Raises BrokenOff when a batch ended badly; any other error leaves nothing.
        """
        submission = Submission(self, wish.sender, wish.fresh, self._start, self._ring_meanwhile)
        try:
            await receive(wish.chunks, wish.content_type, self.limits, submission)
            return await submission.end()
        except BaseException as error:
            # To the end, also when the request's own task is being cancelled.
            await asyncio.shield(self._start(submission.undo()))
            so_far = submission.so_far()
            if isinstance(error, Exception) and (so_far.batch_id is not None or so_far.refused):
                raise BrokenOff(so_far) from error
            raise
        finally:
            submission.stop()

    async def ring(self, file_id: str) -> None:
        """Tell a worker, best effort: the reconciler rings for whatever this misses."""
        await self._ringing.ring(file_id)

    async def settle(self, patience_s: float) -> None:
        """Wait until no upload is going on or being undone: before the database's connection is closed."""
        deadline = time.monotonic() + patience_s
        while self._running and time.monotonic() < deadline:
            await asyncio.wait(set(self._running), timeout=deadline - time.monotonic())

    def _ring_meanwhile(self, file_id: str) -> None:
        self._start(self.ring(file_id))

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task
