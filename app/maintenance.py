"""Starts the maintenance process, beside the workers: `python -m app.maintenance`.

It mends what time and faults undo, and delivers webhooks. Any number may run; none is needed for a
document to get on while an API process runs, which mends as well.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from app.config import ConfigError, MaintenanceSettings, load
from app.db.client import Record, async_client, async_database
from app.db.collections.figures import FiguresReader
from app.db.collections.files import Files
from app.db.db import ensure_indexes_async
from app.domain.errors import DomainError
from app.notify.deliverer import Deliverer
from app.observability import logs
from app.observability.actions import reconciler_actions, webhook_attempts
from app.observability.disk import show_disk
from app.observability.exposition import show
from app.observability.snapshot import Snapshot
from app.observability.system import SystemCollector
from app.queue.announce import AsyncAnnouncer
from app.queue.q import Doorbell
from app.queue.reconciler import Reconciler
from app.storage.base import Storage, StorageRefused
from app.storage.open import claim_storage, open_storage

REFUSED: Final = 2
PAUSE_S: Final = 1.0

log = structlog.get_logger(__name__)


def main() -> int:
    """The process's exit code: 0 when it was told to stop, 2 when the configuration cannot be used."""
    try:
        settings = load(MaintenanceSettings)
        storage = open_storage(settings.storage_url)
        logs.configure(settings.log_format, settings.log_level, "maintenance")
        asyncio.run(maintain(settings, storage))
    except (ConfigError, StorageRefused) as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    return 0


async def maintain(settings: MaintenanceSettings, storage: Storage) -> None:
    """Until SIGTERM or SIGINT. Raises StorageRefused when storage and database do not belong together."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    doorbell = Doorbell(settings.valkey_url.get_secret_value())
    try:
        async with async_client(settings.mongo_url.get_secret_value()) as client:
            database = async_database(client, settings.mongo_db)
            announce = AsyncAnnouncer(doorbell.valkey)
            reconciler = Reconciler(database, storage, doorbell, settings, announce=announce)
            deliverer = Deliverer(database, settings)
            snapshot = Snapshot(FiguresReader(database).read, doorbell.alive_workers_async)
            registry = _registry(snapshot, reconciler, deliverer, storage)
            async with _instruments(settings, registry, snapshot, stop):
                await _opened(database, storage, stop)
                log.info("maintaining")
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(reconciler.run(stop))
                    tasks.create_task(deliverer.run(stop))
    finally:
        doorbell.close()
    log.info("stopped")


def _registry(
    snapshot: Snapshot, reconciler: Reconciler, deliverer: Deliverer, storage: Storage
) -> CollectorRegistry:
    """What this process shows."""
    registry = CollectorRegistry()
    registry.register(SystemCollector(snapshot))
    registry.register(reconciler_actions(lambda: reconciler.actions))
    registry.register(webhook_attempts(lambda: deliverer.actions))
    folder = getattr(storage, "root", None)
    show_disk(registry, folder if isinstance(folder, Path) else None)
    return registry


@asynccontextmanager
async def _instruments(
    settings: MaintenanceSettings, registry: CollectorRegistry, snapshot: Snapshot, stop: asyncio.Event
) -> AsyncIterator[None]:
    """Shown before MongoDB is there: that it is away is seen here."""
    if not settings.metrics_port:
        yield
        return
    try:
        end = show(registry, settings.metrics_host, settings.metrics_port)
    except OSError as error:
        raise ConfigError(
            f"METRICS_PORT: cannot listen on {settings.metrics_host}:{settings.metrics_port} "
            f"({error.strerror}). Choose another port, or 0 for none; METRICS_HOST names the address."
        ) from None
    looking = asyncio.create_task(snapshot.run(stop))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await asyncio.to_thread(end)


async def _opened(database: AsyncDatabase[Record], storage: Storage, stop: asyncio.Event) -> None:
    """Wait for MongoDB and the storage, and see that they belong together."""
    told = False
    while not stop.is_set():
        try:
            await claim_storage(storage, Files(database).storage_id)
            await ensure_indexes_async(database)
        except (PyMongoError, DomainError, KeyError) as error:
            if not told:
                log.warning("not_open_yet", error_type=type(error).__name__)
                told = True
            await asyncio.sleep(PAUSE_S)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
