"""A reconciler's surroundings for tests: a database, a folder, and a doorbell that remembers."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from bson import ObjectId

from app.config import SharedSettings
from app.db.client import async_client, async_database
from app.db.db import META
from app.domain.file import new_token
from app.queue.reconciler import Reconciler
from app.storage.disk import DiskStorage
from tests.support.records import Records


class FakeBell:
    """A doorbell that remembers who was rung for; `heard` is what is in the queue."""

    def __init__(self, epoch: str | None = "epoch-1") -> None:
        self.epoch = epoch
        self.deaf = False
        self.rung: list[str] = []
        self.first: list[str] = []
        self.waiting: set[str] = set()

    async def ring_async(self, file_id: str, *, first: bool = False) -> bool:
        if self.deaf:
            return False
        if first:
            self.first.append(file_id)
        self.rung.append(file_id)
        self.waiting.add(file_id)
        return True

    async def epoch_async(self) -> str | None:
        return self.epoch

    async def waiting_async(self) -> set[str] | None:
        return None if self.deaf else self.waiting


class Scene:
    """A database, a folder, a doorbell, and as many reconcilers as a test wants."""

    def __init__(self, url: str, name: str, folder: Path, records: Records) -> None:
        self.url, self.name = url, name
        self.records = records
        self.storage = DiskStorage(folder)
        self.bell = FakeBell()

    def tick(self, reconcilers: int = 1, ticks: int = 1, **settings: object) -> Counter[str]:
        """So many new reconcilers at once, each as often; what they did together."""

        async def all_of_them() -> Counter[str]:
            async with async_client(self.url) as client:
                database = async_database(client, self.name)
                config = SharedSettings(**settings)  # type: ignore[arg-type]
                made = [Reconciler(database, self.storage, self.bell, config) for _ in range(reconcilers)]
                done = [await asyncio.gather(*(one.tick() for one in made)) for _ in range(ticks)]
                return sum((count for round_ in done for count in round_), Counter())

        return asyncio.run(all_of_them())

    def bytes_of(self, file_id: ObjectId) -> list[str]:
        folder = self.storage.root / str(file_id)
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())

    def adopt_storage(self, ago: timedelta) -> None:
        """The database took this storage so long ago."""
        own = new_token()
        asyncio.run(self.storage.claim_id(own))
        meta = {"_id": "storage", "storage_id": own, "adopted_at": self.now() - ago}
        self.records.database[META].insert_one(meta)

    def now(self) -> datetime:
        return self.records.work.now()
