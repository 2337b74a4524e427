"""The reconciler's steps on records alone: expired leases, lost bells, documents that waited too long."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol

from bson import ObjectId

from app.config import SharedSettings
from app.db.client import Record
from app.db.collections.mending import Mending
from app.db.transitions import mend
from app.domain.errors import Failure
from app.domain.file import new_token
from app.queue.expiry import expire, may_go_on
from app.queue.tally import Tally

QUIET: Final = timedelta(seconds=1)
"""Whoever queues a record rings for it; for so long the reconciler leaves that to them."""
SETTLED: Final = timedelta(seconds=10)
"""A record rung for longer ago, still queued and with no bell in the queue: its bell was lost."""


class Bell(Protocol):
    """The doorbell, as far as the reconciler uses it. No call raises when Valkey is away."""

    async def ring_async(self, file_id: str, *, first: bool = False) -> bool:
        """Ring for a record (before all others, if it has waited its turn); False when nobody heard it."""

    async def epoch_async(self) -> str | None:
        """Names this life of Valkey's data; None when Valkey is away."""

    async def waiting_async(self) -> set[str] | None:
        """The records whose bells are in the queue; None when Valkey is away."""


class RecordSteps:
    """Each step looks for what is overdue and mends one record after the other."""

    def __init__(self, files: Mending, bell: Bell, settings: SharedSettings, tally: Tally) -> None:
        self._files = files
        self._bell = bell
        self._max_attempts = settings.max_attempts
        self._max_age_s = settings.max_document_age_s
        self._tally = tally

    async def expired_leases(self) -> None:
        """in work → queued, or failed where the attempts are used up and something is still unanswered."""
        now = await self._files.now()
        freed: list[ObjectId] = []
        for record in await self._files.expired_leases(now):
            if not await self._files.apply(expire(record, now, self._max_attempts)):
                continue
            if may_go_on(record, self._max_attempts):
                self._tally.acted("lease_expired", record["_id"])
                freed.append(record["_id"])
            else:
                self._tally.acted("lease_expired_for_good", record["_id"])
                freed += await self._files.wake_twins_of(record, now)
        await self._ring_freed(freed, now)

    async def _ring_freed(self, freed: list[ObjectId], now: datetime) -> None:
        """Ring at once for what was just queued: a killed work-horse's document goes on within seconds."""
        epoch = await self._bell.epoch_async() if freed else None
        if epoch is not None:
            queued = ({"_id": file_id, "next_try_at": now} for file_id in freed)
            await self._ring_all(queued, epoch, first=True)

    async def lost_bells(self) -> None:
        """Ring for records whose time has come and that have no bell in the queue."""
        epoch = await self._bell.epoch_async()
        if epoch is None:
            return
        records = await self._files.unheard(await self._files.now(), epoch, QUIET, SETTLED)
        waiting = await self._bell.waiting_async() if records else None
        if waiting is not None:
            await self._ring_all((one for one in records if str(one["_id"]) not in waiting), epoch)

    async def _ring_all(self, records: Iterable[Record], epoch: str, *, first: bool = False) -> None:
        """Ring for each for which no other reconciler did; stop when Valkey does not hear it."""
        for record in records:
            now = await self._files.now()
            if not await self._files.apply(mend.ring(record, now, epoch)):
                continue
            if not await self._bell.ring_async(str(record["_id"]), first=first):
                await self._files.apply(mend.not_rung(record["_id"], now))
                return
            self._tally.acted("rung", record["_id"])

    async def exhausted(self) -> None:
        """queued → failed where no worker may claim any more."""
        now = await self._files.now()
        for record in await self._files.exhausted(self._max_attempts):
            change = mend.give_up_waiting(record, now, _used_up(record["attempts_made"]), new_token())
            if await self._files.apply(change):
                self._tally.acted("attempts_used_up", record["_id"])

    async def too_old(self) -> None:
        """queued → failed where MAX_DOCUMENT_AGE_S has passed since it was accepted (or retried)."""
        now = await self._files.now()
        for record in await self._files.too_old(now, self._max_age_s):
            failure = _waited_too_long(record, self._max_age_s)
            if await self._files.apply(mend.give_up_waiting(record, now, failure, new_token())):
                self._tally.acted("document_too_old", record["_id"])


def _used_up(attempts: int) -> Failure:
    return Failure(
        "attempts_used_up",
        f"All {attempts} attempts (MAX_ATTEMPTS) are used up. Retry the document to start anew.",
        retryable=True,
    )


def _waited_too_long(record: Record, max_age_s: float) -> Failure:
    reason = record.get("waiting_for") or "a worker"
    return Failure(
        "document_too_old",
        f"The document waited longer than MAX_DOCUMENT_AGE_S ({max_age_s:g} s), last for: {reason}. "
        f"See that this is there again, then retry the document, or raise MAX_DOCUMENT_AGE_S.",
        retryable=True,
    )
