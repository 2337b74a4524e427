"""What a worker does once before it forks: settings, logs, the right storage, the renderer, warm libraries.

A pool forks its workers from a parent that never runs a worker's code; there it is done when the
connection is made (`app.queue.patience`), so that all workers share one renderer and the libraries' memory.
"""

import atexit
import logging
import socket
import sys
import time
from dataclasses import dataclass
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from app.config import ConfigError, WorkerSettings, load
from app.db.client import sync_client, sync_database
from app.db.collections.work import WorkFiles
from app.observability import logs
from app.pipeline.render import RendererNotStarted, RenderServer
from app.pipeline.vision import warm
from app.queue.runtime import reader_options
from app.storage.base import StorageRefused
from app.storage.open import open_storage, verify_storage

PATIENCE_S: Final = 60.0
"""How long the database, or the API that sets up the storage, is waited for."""
PAUSE_S: Final = 1.0
POOL_COMMAND: Final = "worker-pool"
POOL_LOGGER: Final = "rq.worker_pool"
QUIET_LOGGERS: Final = ("rq.worker", "rq.job", "rq.queue", "rq.registry", "rq.scheduler")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Prepared:
    """Inherited by every fork; no connection is in here."""

    settings: WorkerSettings
    renderer: RenderServer


_prepared: Prepared | None = None


def prepare() -> Prepared:
    """Once in each family of processes. Ends the process, naming the fix, where it cannot work."""
    global _prepared
    if _prepared is None:
        try:
            _prepared = _prepare()
        except (ConfigError, StorageRefused, RendererNotStarted) as error:
            raise SystemExit(str(error)) from None
    return _prepared


def prepare_pool() -> None:
    """`prepare`, where this is the process that will fork a pool's workers."""
    if POOL_COMMAND in sys.argv[1:]:
        atexit.register(prepare().renderer.close)


def _prepare() -> Prepared:
    settings = load(WorkerSettings)
    _configure_logs(settings)
    _wait_for_storage(settings, time.monotonic() + PATIENCE_S)
    renderer = RenderServer()
    renderer.start()
    log.info("renderer_started", reason=", ".join(f"{k} {v}" for k, v in renderer.sandbox_report().items()))
    warm(reader_options(settings))
    return Prepared(settings, renderer)


def _configure_logs(settings: WorkerSettings) -> None:
    logs.configure(settings.log_format, settings.log_level, "worker", (*logs.TRUSTED, POOL_LOGGER))
    for name in (*QUIET_LOGGERS, POOL_LOGGER):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _wait_for_storage(settings: WorkerSettings, deadline: float) -> None:
    """Raises StorageRefused when this storage is not the one that the database belongs to."""
    told = False
    while True:
        try:
            with sync_client(settings.mongo_url.get_secret_value()) as client:
                files = WorkFiles(sync_database(client, settings.mongo_db), patience=lambda: 0.0)
                verify_storage(open_storage(settings.storage_url), files.storage_id())
                return
        except (PyMongoError, StorageRefused) as error:
            if time.monotonic() >= deadline:
                if isinstance(error, StorageRefused):
                    raise
                raise ConfigError(
                    "MONGO_URL: the database does not answer. Start it, or correct MONGO_URL."
                ) from None
            if not told:
                log.warning("waiting_for_database_or_storage", error_type=type(error).__name__)
                told = True
            time.sleep(PAUSE_S)


def living(renderer: RenderServer) -> RenderServer:
    """`renderer`, started again where it was ours and has died; one of our own where a pool's has died."""
    renderer.start()
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(renderer.address())
            return renderer
        except OSError:
            own = RenderServer()
            own.start()
            return own
