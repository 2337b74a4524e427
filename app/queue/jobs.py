"""The only job there is: `process(file_id)`. Runs in a forked work-horse, which opens its own connections."""

import structlog
from bson import ObjectId
from pymongo.errors import PyMongoError

from app.db.client import sync_client, sync_database
from app.db.collections.work import WorkFiles
from app.queue.announce import announcer
from app.queue.job_run import JobRun
from app.queue.q import Doorbell
from app.queue.runtime import current
from app.storage.open import open_storage

log = structlog.get_logger(__name__)


def process(file_id: str) -> None:
    """Look at a document, whatever its state: the record says whether there is anything to do.

    Never raises for what happened to the document: that is in the record, and RQ has nothing to do with it.
    """
    runtime = current()
    settings = runtime.settings
    bell = Doorbell(settings.valkey_url.get_secret_value())
    with (
        structlog.contextvars.bound_contextvars(file_id=file_id, worker=runtime.worker),
        sync_client(settings.mongo_url.get_secret_value()) as client,
    ):
        try:
            database = sync_database(client, settings.mongo_db)
            files = WorkFiles(database, announce=announcer(bell.valkey))
            JobRun(runtime, files, open_storage(settings.storage_url), bell, ObjectId(file_id)).run()
        except PyMongoError:
            log.exception("database_away")  # the lease runs out, or was never taken: the reconciler goes on
        finally:
            bell.close()
            runtime.stop.done()
