"""Names of collections and their indexes; created at start, by whichever process is first."""

from typing import Final

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database

from app.db.client import Record

FILES: Final = "files"
META: Final = "meta"
DELIVERIES: Final = "deliveries"
ENDPOINTS: Final = "endpoints"
BATCHES: Final = "batches"
KEYS: Final = "keys"
BUDGETS: Final = "budgets"
TALLIES: Final = "tallies"

A_STRING: Final = {"$type": "string"}

FILE_INDEXES: Final = (
    IndexModel([("status", ASCENDING), ("next_try_at", ASCENDING)], name="due"),
    IndexModel([("status", ASCENDING), ("queued_at", ASCENDING)], name="position"),
    IndexModel([("status", ASCENDING), ("lease.until", ASCENDING)], name="leases"),
    IndexModel([("status", ASCENDING), ("ended_at", ASCENDING)], name="retention"),
    IndexModel([("owner", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)], name="of_owner"),
    IndexModel(
        [("owner", ASCENDING), ("status", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)],
        name="of_owner_by_status",
    ),
    IndexModel([("analysis_key", ASCENDING), ("status", ASCENDING)], name="same_analysis"),
    IndexModel([("same_as", ASCENDING)], name="waiting_for_same", sparse=True),
    IndexModel([("deleted_at", ASCENDING)], name="tombstones"),
    IndexModel([("undelivered", ASCENDING)], name="outbox", sparse=True),
    IndexModel([("batch_id", ASCENDING), ("status", ASCENDING)], name="of_batch_by_status"),
    IndexModel([("batch_id", ASCENDING), ("batch_n", ASCENDING)], name="of_batch_in_order", sparse=True),
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
DELIVERY_INDEXES: Final = (
    IndexModel([("state", ASCENDING), ("next_at", ASCENDING), ("lane", ASCENDING)], name="due"),
    IndexModel([("file_id", ASCENDING), ("created_at", ASCENDING)], name="of_file"),
    IndexModel([("remove_at", ASCENDING)], name="log_is_over", expireAfterSeconds=0),
)
BATCH_INDEXES: Final = (
    IndexModel([("check", ASCENDING)], name="to_check", sparse=True),
    IndexModel([("lease.until", ASCENDING)], name="open", sparse=True),
    IndexModel([("look_again_at", ASCENDING)], name="forget"),
    IndexModel([("owner", ASCENDING), ("idempotency_key", ASCENDING)], name="idempotency"),
)
INDEXES: Final = {
    FILES: FILE_INDEXES,
    DELIVERIES: DELIVERY_INDEXES,
    ENDPOINTS: (IndexModel([("owner", ASCENDING), ("created_at", ASCENDING)], name="of_owner"),),
    BATCHES: BATCH_INDEXES,
    BUDGETS: (IndexModel([("remove_at", ASCENDING)], name="day_is_over", expireAfterSeconds=0),),
}


async def ensure_indexes_async(database: AsyncDatabase[Record]) -> None:
    for name, indexes in INDEXES.items():
        await database[name].create_indexes(list(indexes))


def ensure_indexes(database: Database[Record]) -> None:
    for name, indexes in INDEXES.items():
        database[name].create_indexes(list(indexes))
