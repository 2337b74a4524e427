"""Who waits for which record, in this process: one look for all of them, however many wait.

A change is heard over Valkey (`app.queue.announce`) or found by the slow look behind it, which
compares revisions; then the changed records are read together, once, and handed to those who wait.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog
from bson import ObjectId
from pymongo.errors import PyMongoError

from app.db.client import Record

GATHER_S: Final = 0.02
"""Changes that are heard within this time are read together."""
LOOK_S: Final = 2.0
LOOK_ALONE_S: Final = 1.0
"""How often revisions are compared while Valkey is heard, and while it is not.

Heard is not told: whoever changes a record keeps silent for some seconds after Valkey failed it.
"""
BATCH: Final = 500
PAUSE_S: Final = 1.0

Read = Callable[[list[ObjectId]], Awaitable[list[Record]]]
log = structlog.get_logger(__name__)


class Hearing(Protocol):
    """`app.queue.announce.Listener`."""

    alive: bool

    def changes(self) -> AsyncIterator[ObjectId | None]: ...


@dataclass(eq=False)
class Interest:
    """One client's wait for one record. `latest` is None when the record is gone."""

    file_id: ObjectId
    revision: int
    latest: Record | None = None
    over: bool = False
    """This process stops: whoever waits is sent away with what there is, to come back to another."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, record: Record | None) -> None:
        if record is None or record["revision"] != self.revision:
            self.latest = record
            self.revision = record["revision"] if record else -1
            self._news.set()

    async def news(self, timeout_s: float) -> bool:
        """Whether something has changed since the last call, waiting up to `timeout_s`; see `latest`."""
        if self.over:
            return False
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return not self.over

    def leave(self) -> None:
        self.over = True
        self._news.set()


class Watch:
    """One a process. `revisions` reads ids and revisions alone, `records` all that a caller may see."""

    def __init__(self, listener: Hearing, revisions: Read, records: Read) -> None:
        self._listener = listener
        self._revisions = revisions
        self._records = records
        self._interests: defaultdict[ObjectId, set[Interest]] = defaultdict(set)
        self._changed: set[ObjectId] = set()
        self._heard = asyncio.Event()
        self._waiting = 0
        self._leaving = False

    @property
    def waiting(self) -> int:
        """How many clients wait now."""
        return self._waiting

    @contextmanager
    def on(self, file_id: ObjectId, revision: int) -> Iterator[Interest]:
        """Be told of every state of the record after `revision`; states that follow quickly are joined."""
        interest = Interest(file_id, revision, over=self._leaving)
        self._interests[file_id].add(interest)
        self._waiting += 1
        try:
            yield interest
        finally:
            self._waiting -= 1
            self._interests[file_id].discard(interest)
            if not self._interests[file_id]:
                del self._interests[file_id]

    def look_at(self, file_id: ObjectId) -> None:
        """Read this record soon: whoever begins to wait may just have missed a word."""
        self._changed.add(file_id)
        self._heard.set()

    def leave(self) -> None:
        """The process is asked to stop: nobody may wait any longer."""
        self._leaving = True
        for group in self._interests.values():
            for interest in group:
                interest.leave()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for task in (self._hear, self._look, self._tell):
                tasks.create_task(_for_ever(task))

    async def _hear(self) -> None:
        async for file_id in self._listener.changes():
            if file_id is None:
                self._changed.update(self._interests)
                self._heard.set()
            elif file_id in self._interests:
                self.look_at(file_id)

    async def _look(self) -> None:
        """The slow look: right even when no word is ever heard."""
        since = 0.0
        while True:
            await asyncio.sleep(LOOK_ALONE_S)
            since += LOOK_ALONE_S
            if self._listener.alive and since < LOOK_S:
                continue
            since = 0.0
            known = {file_id: min(i.revision for i in group) for file_id, group in self._interests.items()}
            for some in _batches(list(known)):
                found = {one["_id"]: one["revision"] for one in await self._asked(self._revisions, some)}
                self._changed.update(one for one in some if found.get(one) != known[one])
            if self._changed:
                self._heard.set()

    async def _tell(self) -> None:
        while True:
            await self._heard.wait()
            await asyncio.sleep(GATHER_S)
            self._heard.clear()
            changed, self._changed = self._changed & self._interests.keys(), set()
            for some in _batches(list(changed)):
                await self._tell_of(some)

    async def _tell_of(self, some: list[ObjectId]) -> None:
        # Only those who wait already: whoever comes meanwhile may have read a later state than we do.
        waiting = {file_id: tuple(self._interests.get(file_id, ())) for file_id in some}
        try:
            found = {one["_id"]: one for one in await self._records(some)}
        except PyMongoError as error:
            log.warning("not_looked", error_type=type(error).__name__)
            return  # the slow look finds the same difference again
        for file_id, interests in waiting.items():
            for interest in interests:
                interest.tell(found.get(file_id))

    async def _asked(self, read: Read, some: list[ObjectId]) -> list[Record]:
        try:
            return await read(some)
        except PyMongoError as error:
            log.warning("not_looked", error_type=type(error).__name__)
            return [{"_id": one, "revision": self._lowest(one)} for one in some]

    def _lowest(self, file_id: ObjectId) -> int:
        return min((i.revision for i in self._interests.get(file_id, ())), default=-1)


async def _for_ever(task: Callable[[], Awaitable[None]]) -> None:
    """Whatever happens: clients that wait would not notice that nobody looks any more."""
    while True:
        try:
            await task()
        except Exception:
            log.exception("watch_failed")
        await asyncio.sleep(PAUSE_S)


def _batches(ids: list[ObjectId]) -> Iterator[list[ObjectId]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
