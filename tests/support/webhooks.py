"""A test's database, a receiver, and deliverers that run until a test has seen what it waits for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bson import ObjectId

from app.config import MaintenanceSettings
from app.db.apply import apply
from app.db.client import Record, async_client, async_database
from app.db.collections.deliveries import Deliveries
from app.db.collections.endpoints import Endpoints
from app.db.db import BATCHES, DELIVERIES
from app.db.transitions import person, work
from app.domain.errors import Failure
from app.domain.file import PUBLIC_OWNER, new_token
from app.domain.result import Analysis, Usage
from app.notify.deliverer import Deliverer
from app.notify.guarded_client import GuardedClient
from app.notify.lanes import LaneLimits
from app.notify.schedule import Schedule
from tests.support.receiver import Receiver
from tests.support.records import AN_ANSWER, Records

PATIENCE_S = 60.0
QUICK = Schedule(delays_s=(0.0,) + (0.02,) * 9)
FAILURE = Failure("a_code", "A message.", retryable=False)


class Webhooks:
    """One test's scene."""

    def __init__(self, url: str, name: str, records: Records, receiver: Receiver) -> None:
        self._url = url
        self._name = name
        self.records = records
        self.receiver = receiver
        self.deliveries = records.database[DELIVERIES]

    def completed(self, **fields: Any) -> ObjectId:
        """A document that was just analysed; `fields` are put into its record before it ends."""
        file_id, hold, call_id = self.records.fenced()
        assert self.records.work.save_answer(file_id, 0, 1, call_id, AN_ANSWER)
        if fields:
            self.records.put(file_id, **fields)
        now = self.records.work.now()
        analysis = Analysis("a result", "a-model", Usage(1, 1))
        self.apply(work.finish(file_id, hold.token, now, analysis, {"at": now}))
        return file_id

    def failed(self, **fields: Any) -> ObjectId:
        file_id, hold = self.records.claimed(**fields)
        now = self.records.work.now()
        self.apply(work.fail(file_id, hold.token, now, FAILURE, {"at": now}))
        return file_id

    def cancelled(self, **fields: Any) -> ObjectId:
        file_id = self.records.queued(**fields)
        owner = fields.get("owner", PUBLIC_OWNER)
        self.apply(person.cancel(file_id, owner, new_token(), self.records.work.now()))
        return file_id

    def retried(self, file_id: ObjectId) -> None:
        revision = self.records.get(file_id)["revision"]
        now = self.records.work.now()
        self.apply(person.retry(file_id, PUBLIC_OWNER, new_token(), now, revision, keep_plan=False))

    def apply(self, change: Any) -> None:
        assert apply(self.records.files, change)

    def batch(self, batch_id: str, **fields: Any) -> None:
        self.records.database[BATCHES].insert_one({"_id": batch_id, "owner": PUBLIC_OWNER, **fields})

    def handed_on(self) -> bool:
        """Whether no document's event waits any more."""
        return self.records.files.count_documents({"undelivered": True}) == 0

    def settled(self) -> bool:
        """Whether everything is handed on and no delivery waits for another attempt."""
        return self.handed_on() and self.deliveries.count_documents({"state": "pending"}) == 0

    def only_delivery(self) -> Record:
        (found,) = self.deliveries.find()
        return found

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[tuple[Endpoints, Deliveries]]:
        """What the API would use."""
        async with async_client(self._url) as client:
            database = async_database(client, self._name)
            yield Endpoints(database), Deliveries(database)

    @asynccontextmanager
    async def delivering(
        self,
        processes: int = 1,
        schedule: Schedule = QUICK,
        limits: LaneLimits | None = None,
        allow: str | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> AsyncIterator[list[Deliverer]]:
        """Deliverers, each with a connection of its own, while the block runs."""
        settings = MaintenanceSettings(
            webhook_allow=self.receiver.allow if allow is None else allow, public_url="https://rag.example"
        )
        stop, deliverers = asyncio.Event(), []
        async with asyncio.TaskGroup() as tasks:
            clients = [async_client(self._url) for _ in range(processes)]
            for client in clients:
                deliverer = Deliverer(
                    async_database(client, self._name),
                    settings,
                    client=GuardedClient(settings.allowed_targets, total_s=timeout_s),
                    schedule=schedule,
                    limits=limits,
                    poll_s=0.02,
                )
                deliverers.append(deliverer)
                tasks.create_task(deliverer.run(stop))
            try:
                yield deliverers
            finally:
                stop.set()
        for client in clients:
            await client.close()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for it; a test that waits in vain fails here."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)
