"""Mends what time and faults undo: a task of every API process and of the maintenance process.

Leaderless: many run at once, each step is a compare-and-set on what it saw, so that one of them acts.
All times are the database server's. What each step does is in `reconcile_records`, `…_bytes` and `…_batches`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from app.config import SharedSettings
from app.db.apply import interrupted
from app.db.client import Record
from app.db.collections.batches import Batches
from app.db.collections.mending import Mending
from app.queue.reconcile_batches import BatchSteps
from app.queue.reconcile_bytes import Bytes, ByteSteps
from app.queue.reconcile_records import Bell, RecordSteps
from app.queue.tally import Tally

MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0

log = structlog.get_logger(__name__)


@dataclass
class Step:
    """One kind of mending, run at every tick or, where `every_s` says so, less often."""

    name: str
    run: Callable[[], Awaitable[None]]
    every_s: float = 0.0
    trusts_leases: bool = False
    not_before: float = 0.0


class Reconciler:
    """`run` until told to stop; `actions` counts what was mended since the start, by kind."""

    def __init__(
        self,
        database: AsyncDatabase[Record],
        storage: Bytes,
        doorbell: Bell,
        settings: SharedSettings,
        clock: Callable[[], float] = time.monotonic,
        announce: Callable[[ObjectId], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self.every_s = settings.reconcile_every_s
        self._lease_s = settings.lease_s
        self._tally = Tally()
        self._away = False
        self._looked_at: datetime | None = None
        """When the last complete tick ended."""
        self._blind_until = 0.0
        self._files = files = Mending(database, announce=announce)
        records = RecordSteps(files, doorbell, settings, self._tally)
        data = ByteSteps(files, storage, settings, self._tally)
        batches = BatchSteps(Batches(database), self._tally)
        self.steps = [
            Step("expired leases", records.expired_leases, trusts_leases=True),
            Step("dead uploads", data.dead_uploads, trusts_leases=True),
            Step("abandoned batches", batches.abandoned, trusts_leases=True),
            Step("lost bells", records.lost_bells),
            Step("no attempts left", records.exhausted, every_s=10),
            Step("too old", records.too_old, every_s=10),
            Step("retention", data.retention, every_s=MINUTE_S),
            Step("tombstones", data.tombstones),
            Step("old tombstones", data.old_tombstones, every_s=MINUTE_S),
            Step("idempotency keys", data.idempotency_keys, every_s=MINUTE_S),
            Step("empty batches", batches.empty, every_s=HOUR_S),
            Step("bytes without a record", data.orphans, every_s=HOUR_S),
        ]

    @property
    def actions(self) -> Counter[str]:
        return self._tally.total

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop`; nothing but that ends it."""
        self._let_holders_renew()  # the database may have been away until now
        while not stop.is_set():
            await self.tick()
            try:
                await asyncio.wait_for(stop.wait(), self.every_s)
            except TimeoutError:
                continue

    async def tick(self) -> Counter[str]:
        """Run the steps that are due; how much each kind of action was taken.

        A step that fails is logged and keeps no other from running, except that all wait for MongoDB.
        """
        before = self._tally.total.copy()
        try:
            await self._notice_a_gap()
            for step in self.steps:
                await self._run(step)
            self._looked_at = await self._files.now()
            self._away = False
        except PyMongoError as error:
            if not self._away or not interrupted(error):
                log.warning("reconcile_database_away", error_type=type(error).__name__)
            self._away = True
        return self._tally.total - before

    async def _run(self, step: Step) -> None:
        now = self._clock()
        if now < step.not_before or (step.trusts_leases and now < self._blind_until):
            return
        try:
            await step.run()
        except Exception as error:
            if isinstance(error, PyMongoError) and interrupted(error):
                raise
            log.exception("reconcile_step_failed", step=step.name)
        step.not_before = self._clock() + step.every_s

    async def _notice_a_gap(self) -> None:
        """After an outage, a standstill of this machine or a jump of the database's clock.

        Leases could not be renewed meanwhile: whoever lives gets time to do it before they are judged.
        """
        seen, now = self._looked_at, await self._files.now()
        if seen is not None and (now - seen).total_seconds() > self.every_s + self._lease_s / 4:
            self._let_holders_renew()

    def _let_holders_renew(self) -> None:
        self._blind_until = self._clock() + self._lease_s / 2
