"""What a worker's parent does when its work-horse was killed: free the document at once.

The one time that a parent opens a connection to MongoDB; it is closed before the next fork.
"""

import os
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from app.db.client import sync_client, sync_database
from app.db.collections.work import WorkFiles
from app.queue.expiry import expire
from app.queue.q import Doorbell
from app.queue.runtime import Runtime

PATIENCE_S: Final = 2.0

log = structlog.get_logger(__name__)


def free_horse(runtime: Runtime, pid: int, status: int | None) -> None:
    """Apply the rule of expired leases to what the dead process `pid` held, and ring for it."""
    code = os.waitstatus_to_exitcode(status) if status is not None else None
    log.warning("work_horse_died", worker=runtime.worker, pid=pid, exit_code=code)
    settings = runtime.settings
    bell = Doorbell(settings.valkey_url.get_secret_value())
    try:
        with sync_client(settings.mongo_url.get_secret_value()) as client:
            files = WorkFiles(sync_database(client, settings.mongo_db), patience=lambda: PATIENCE_S)
            for record in files.held_by(runtime.host, pid):
                ended = files.free_killed(record["_id"], record["lease"]["token"])
                if ended is not None and files.apply(expire(record, ended, settings.max_attempts)):
                    log.info("document_freed", file_id=str(record["_id"]))
                    bell.ring(str(record["_id"]), first=True)
    except PyMongoError:
        log.exception("document_not_freed")  # its lease runs out, and the reconciler does the same
    finally:
        bell.close()
