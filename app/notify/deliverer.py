"""Delivers webhooks: a task of the maintenance process, many of which share the work.

Every step is a compare-and-set, so it may die at any moment and run many times at once: an event
arrives at least once, always under the same id.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from app.config import MaintenanceSettings
from app.db.apply import interrupted
from app.db.client import Record
from app.db.clock import ServerClock
from app.db.collections.deliveries import Deliveries
from app.db.collections.endpoints import Endpoints
from app.db.collections.outbox import Outbox
from app.db.transitions import notify
from app.domain.file import new_token
from app.notify.fan_out import FanOut
from app.notify.guarded_client import GuardedClient, tls_context
from app.notify.lanes import LaneLimits, Lanes
from app.notify.schedule import Schedule
from app.notify.sender import Outcome, Sender

TIMEOUT_S: Final = 15.0
LEASE_S: Final = 60.0
"""Longer than an attempt and the patience with which its end is written down."""
PATIENCE_S: Final = 30.0
POLL_S: Final = 1.0
GRACE_S: Final = 5.0

log = structlog.get_logger(__name__)


class Deliverer:
    """`run` until told to stop; `actions` counts attempts since the start, by how they ended."""

    def __init__(
        self,
        database: AsyncDatabase[Record],
        settings: MaintenanceSettings,
        *,
        client: GuardedClient | None = None,
        schedule: Schedule | None = None,
        limits: LaneLimits | None = None,
        lease_s: float = LEASE_S,
        poll_s: float = POLL_S,
    ) -> None:
        clock = ServerClock()
        endpoints, outbox = Endpoints(database, clock), Outbox(database)
        guarded = client or GuardedClient(
            settings.allowed_targets, tls=tls_context(settings.webhook_ca), total_s=TIMEOUT_S
        )
        self.actions: Counter[str] = Counter()
        self._deliveries = Deliveries(database, clock)
        self._fan_out = FanOut(outbox, self._deliveries, endpoints)
        self._sender = Sender(guarded, endpoints, outbox, settings.public_url)
        self._schedule = schedule or Schedule()
        self._lanes = Lanes(limits or LaneLimits())
        self._lease = timedelta(seconds=lease_s)
        self._shown_for = timedelta(days=settings.retention_days) if settings.retention_days else None
        self._poll_s = poll_s
        self._attempts: set[asyncio.Task[None]] = set()
        self._slot_freed = asyncio.Event()
        self._rng = random.Random()  # noqa: S311 (spreads load, guards nothing)
        self._away = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then let the attempts under way end."""
        while not stop.is_set():
            if not await self._tick():
                await self._rest(stop)
        if self._attempts:
            _, late = await asyncio.wait(self._attempts, timeout=GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _tick(self) -> bool:
        """Whether something was found to do, so that there may be more of it."""
        handed_on = await self._done(self._fan_out.step)
        started = await self._done(self._start_due)
        return bool(handed_on or started)

    async def _done(self, step: Callable[[], Awaitable[int]]) -> int:
        """How much a step did; one that fails is logged and tried again later."""
        try:
            done = await step()
        except Exception as error:
            away = isinstance(error, PyMongoError) and interrupted(error)
            if not away:
                log.exception("webhooks_step_failed")
            elif not self._away:
                log.warning("webhooks_database_away")
            self._away = away
            return 0
        self._away = False
        return done

    async def _rest(self, stop: asyncio.Event) -> None:
        """Until there is a free slot, it is time to look again, or all is to stop."""
        self._slot_freed.clear()
        waiters = [asyncio.ensure_future(event.wait()) for event in (stop, self._slot_freed)]
        await asyncio.wait(waiters, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED)
        for waiter in waiters:
            waiter.cancel()

    async def _start_due(self) -> int:
        free = self._lanes.free
        if free <= 0:
            return 0
        now = await self._deliveries.now()
        busy, full = self._lanes.full_lanes(), self._lanes.full_owners()
        started = 0
        for delivery in await self._deliveries.due(now, busy, full, free):
            if not self._lanes.take(delivery["lane"], delivery["owner"]):
                continue
            try:
                started += await self._start(delivery)
            except BaseException:
                self._lanes.give_back(delivery["lane"], delivery["owner"])
                raise
        return started

    async def _start(self, delivery: Record) -> bool:
        """Claim it and attempt it in a task of its own; False when another process was quicker."""
        token, now = new_token(), await self._deliveries.now()
        if not await self._deliveries.apply(notify.claim(delivery, token, now, now + self._lease)):
            self._lanes.give_back(delivery["lane"], delivery["owner"])
            return False
        task = asyncio.create_task(self._attempt(delivery, token, now))
        self._attempts.add(task)
        task.add_done_callback(self._attempts.discard)
        return True

    async def _attempt(self, delivery: Record, token: str, now: datetime) -> None:
        """Whatever breaks here leaves the delivery to the end of its lease."""
        try:
            outcome = await self._sender.attempt(delivery, now)
            await self._write_down(delivery, token, outcome)
        except Exception:
            log.exception(
                "webhook_attempt_broken",
                request_id=delivery.get("request_id"),
                file_id=_file_id(delivery),
            )
        finally:
            self._lanes.give_back(delivery["lane"], delivery["owner"])
            self._slot_freed.set()

    async def _write_down(self, delivery: Record, token: str, outcome: Outcome) -> None:
        now = await self._deliveries.now()
        made = delivery["attempts_made"] + 1
        wait_s = None if outcome.ok or outcome.final else self._wait_s(delivery, made, outcome)
        if wait_s is not None:
            action, change = (
                "again",
                notify.try_again(delivery["_id"], token, outcome.log, now + timedelta(seconds=wait_s)),
            )
        else:
            action = notify.DELIVERED if outcome.ok else notify.FAILED
            reason = None if outcome.ok else outcome.reason or "attempts_used_up"
            remove_at = now + self._shown_for if self._shown_for else None
            change = notify.end(delivery["_id"], token, outcome.log, action, now, remove_at, reason)
        await self._deliveries.apply(change, PATIENCE_S)
        self.actions[action] += 1
        log.info(
            "webhook_attempt",
            request_id=delivery.get("request_id"),
            file_id=_file_id(delivery),
            attempt=made,
            action=action,
            status=outcome.log.get("status"),
            code=outcome.log.get("error"),
            duration_ms=outcome.log.get("duration_ms"),
            delay_s=wait_s,
        )

    def _wait_s(self, delivery: Record, made: int, outcome: Outcome) -> float | None:
        if made >= delivery.get("max_attempts", made + 1):
            return None
        return self._schedule.wait_s(made, outcome.retry_after_s, self._rng)


def _file_id(delivery: Record) -> str | None:
    return str(delivery["file_id"]) if "file_id" in delivery else None
