"""What a worker's parent does once before its first fork: settings, logs, the storage, warm libraries."""

import logging
import time
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from app.config import ConfigError, WorkerSettings, load
from app.db.client import sync_client, sync_database
from app.db.collections.work import WorkFiles
from app.observability import logs
from app.pipeline.render import RendererNotStarted, RenderServer
from app.pipeline.vision import warm
from app.queue.runtime import Runtime
from app.storage.base import StorageRefused
from app.storage.open import open_storage, verify_storage

PATIENCE_S: Final = 60.0
"""How long the database, or the API that sets up the storage, is waited for."""
PAUSE_S: Final = 1.0
RQ_LOGGERS: Final = ("rq.worker", "rq.job", "rq.queue", "rq.registry", "rq.scheduler")

log = structlog.get_logger(__name__)


def prepare(worker: str) -> Runtime:
    """Everything that work-horses inherit. Ends the process, naming the fix, where it cannot work."""
    try:
        settings = load(WorkerSettings)
        _configure_logs(settings)
        _wait_for_storage(settings, time.monotonic() + PATIENCE_S)
        runtime = Runtime(settings, worker, RenderServer())
        runtime.renderer.start()
    except (ConfigError, StorageRefused, RendererNotStarted) as error:
        raise SystemExit(str(error)) from None
    log.info("renderer_started", action=str(runtime.renderer.sandbox_report()))
    warm(runtime.reader_options)
    return runtime


def _configure_logs(settings: WorkerSettings) -> None:
    logs.configure(settings.log_format, settings.log_level, "worker")
    for name in RQ_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)


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
