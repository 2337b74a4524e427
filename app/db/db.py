"""Names of collections and their indexes; created at start, by whichever process is first."""

from typing import Final

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database

from app.db.client import Record

FILES: Final = "files"
META: Final = "meta"

A_STRING: Final = {"$type": "string"}

FILE_INDEXES: Final = (
    IndexModel([("status", ASCENDING), ("next_try_at", ASCENDING)], name="due"),
    IndexModel([("status", ASCENDING), ("queued_at", ASCENDING)], name="position"),
    IndexModel([("status", ASCENDING), ("lease.until", ASCENDING)], name="leases"),
    IndexModel([("status", ASCENDING), ("ended_at", ASCENDING)], name="retention"),
    IndexModel([("owner", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)], name="of_owner"),
    IndexModel([("analysis_key", ASCENDING), ("status", ASCENDING)], name="same_analysis"),
    IndexModel([("same_as", ASCENDING)], name="waiting_for_same", sparse=True),
    IndexModel([("deleted_at", ASCENDING)], name="tombstones"),
    IndexModel([("idempotency_until", ASCENDING)], name="idempotency_over", sparse=True),
    IndexModel(
        [("owner", ASCENDING), ("idempotency_key", ASCENDING)],
        name="idempotency",
        unique=True,
        partialFilterExpression={"idempotency_key": A_STRING},
    ),
    IndexModel(
        [("active_key", ASCENDING)],
        name="active",
        unique=True,
        partialFilterExpression={"active_key": A_STRING},
    ),
)


async def ensure_indexes_async(database: AsyncDatabase[Record]) -> None:
    await database[FILES].create_indexes(list(FILE_INDEXES))


def ensure_indexes(database: Database[Record]) -> None:
    database[FILES].create_indexes(list(FILE_INDEXES))
