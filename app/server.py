"""`create_app`: the API process put together. Connections are opened in the lifespan, closed in reverse."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import structlog
from fastapi import FastAPI
from pymongo.asynchronous.database import AsyncDatabase

from app.api import (
    batches,
    deliveries,
    docs_page,
    error_handlers,
    events,
    files,
    health,
    metrics,
    openapi,
    originals,
    records,
    results,
    ui,
    uploads,
    webhooks,
)
from app.api.dependencies import Services
from app.api.guard import guard, open_gate
from app.api.instruments import open_instruments
from app.api.liveness import Liveness
from app.api.opening import FIRST_S, Opening
from app.api.positions import Positions
from app.api.watch import Watch
from app.config import ApiSettings
from app.db.client import Record, async_client, async_database
from app.db.collections.batches import Batches
from app.db.collections.catalogue import Catalogue
from app.db.collections.deliveries import Deliveries
from app.db.collections.endpoints import Endpoints
from app.db.collections.files import Files
from app.db.db import ensure_indexes_async
from app.intake.file_part import Limits
from app.intake.quotas import Quotas
from app.intake.submit import Intake
from app.queue.announce import AsyncAnnouncer, Listener
from app.queue.q import Doorbell
from app.queue.reconciler import Reconciler
from app.storage.base import Storage, StorageRefused
from app.storage.open import claim_storage, open_storage

TITLE: Final = "Full-RAG"
ROOMS: Final = (
    health,
    metrics,
    ui,
    uploads,
    records,
    files,
    originals,
    results,
    batches,
    events,
    deliveries,
    webhooks,
)
SETTLE_S: Final = 3.0
"""After SHUTDOWN_GRACE_S the uploads that are left are cut off; this long they may take to clean up."""
log = structlog.get_logger(__name__)


def create_app(settings: ApiSettings, on_refused: Callable[[str], None] | None = None) -> FastAPI:
    """The application. `on_refused` is told when the storage turns out, after the start, not to be ours."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await _start(app, settings, stack, on_refused or (lambda _: None))
            yield

    app = FastAPI(
        title=TITLE,
        description="Upload a document, poll its address, read its analysis.",
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url="/openapi.json" if settings.docs == "on" else None,
        docs_url=None,
        redoc_url=None,
    )
    guard(app, settings)
    error_handlers.register(app)
    for room in ROOMS:
        app.include_router(room.router)
    if settings.docs == "on":
        app.include_router(docs_page.router)
    openapi.describe(app, settings.keys_required)
    return app


async def _start(
    app: FastAPI, settings: ApiSettings, stack: AsyncExitStack, on_refused: Callable[[str], None]
) -> None:
    """Open what the process needs; wait a little for MongoDB, then serve without it and go on trying."""
    client = async_client(settings.mongo_url.get_secret_value())
    stack.push_async_callback(client.close)
    database = async_database(client, settings.mongo_db)
    storage = open_storage(settings.storage_url)
    doorbell = Doorbell(settings.valkey_url.get_secret_value())
    stack.callback(doorbell.close)
    app.state.services = made = _services(settings, database, storage, doorbell, on_refused)
    stack.push_async_callback(made.intake.settle, SETTLE_S)
    app.state.gate, noting = open_gate(settings, database, doorbell.valkey)
    if noting is not None:
        stack.push_async_callback(_ended, noting)
    opening = asyncio.create_task(made.opening.run())
    stack.push_async_callback(_ended, opening)
    await asyncio.wait({opening}, timeout=FIRST_S)
    if made.opening.refusal:
        raise StorageRefused(made.opening.refusal)
    stack.push_async_callback(_ended, asyncio.create_task(made.watch.run()))
    stop = asyncio.Event()
    reconciler = Reconciler(database, storage, doorbell, settings, announce=AsyncAnnouncer(doorbell.valkey))
    app.state.instruments = open_instruments(made, database, doorbell.valkey, reconciler)
    reconciling = asyncio.create_task(_reconcile(made.opening, reconciler, stop))
    stack.push_async_callback(_ended, reconciling, stop)


def _services(
    settings: ApiSettings,
    database: AsyncDatabase[Record],
    storage: Storage,
    doorbell: Doorbell,
    on_refused: Callable[[str], None],
) -> Services:
    the_files = Files(database, announce=AsyncAnnouncer(doorbell.valkey), ring=doorbell.ring_async)
    listener = Listener(settings.valkey_url.get_secret_value())
    quotas = Quotas(the_files, settings.max_in_flight, settings.max_stored_bytes)
    the_batches = Batches(database, the_files.clock)
    limits = Limits(
        settings.max_upload_mb,
        settings.upload_idle_s,
        settings.max_upload_s,
        settings.allowed_targets,
        settings.max_batch_files,
        settings.max_batch_mb,
    )

    async def open_up() -> None:
        await the_files.ping()
        await claim_storage(storage, the_files.storage_id)
        await ensure_indexes_async(database)

    return Services(
        settings=settings,
        files=the_files,
        batches=the_batches,
        catalogue=Catalogue(database),
        endpoints=Endpoints(database, the_files.clock),
        deliveries=Deliveries(database, the_files.clock),
        storage=storage,
        doorbell=doorbell,
        intake=Intake(the_files, the_batches, storage, doorbell, settings.lease_s, limits, quotas),
        liveness=Liveness(doorbell.alive_workers_async, the_files.anyone_working),
        opening=Opening(open_up, on_refused),
        positions=Positions(the_files.position),
        watch=Watch(listener, the_files.revisions, the_files.states),
    )


async def _reconcile(opening: Opening, reconciler: Reconciler, stop: asyncio.Event) -> None:
    """Only with the storage that belongs to the database; what fails is logged and begun again."""
    await opening.wait()
    while not stop.is_set():
        try:
            await reconciler.run(stop)
        except Exception:
            log.exception("reconciler_failed")
            await asyncio.sleep(1)


async def _ended(task: asyncio.Task[None], stop: asyncio.Event | None = None) -> None:
    """Ask a background task to stop, give it a moment, then cancel it."""
    if stop is not None:
        stop.set()
        await asyncio.wait({task}, timeout=2)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
