"""An owner's documents as a list: newest first, filtered, in pages that an index bounds."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bson import ObjectId
from pymongo import DESCENDING
from pymongo.asynchronous.database import AsyncDatabase

from app.db.client import Record
from app.db.db import FILES
from app.db.transitions.change import ABSENT

NEWEST_FIRST: Final = [("created_at", DESCENDING), ("_id", DESCENDING)]
LIGHT: Final = dict.fromkeys(
    (
        "name", "status", "created_at", "updated_at", "ended_at", "revision", "size", "content_type",
        "pages", "error", "progress", "metadata", "batch_id",
    ),
    1,
)  # fmt: skip
"""What a list shows: never a result, which may be long."""


@dataclass(frozen=True)
class Filter:
    """What is asked for; everything that is given must hold."""

    status: str | None = None
    name: str | None = None
    """Part of the name, in whatever case."""
    created_after: datetime | None = None
    created_before: datetime | None = None
    batch_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class Catalogue:
    """Queries that answer lists; each is filtered by owner."""

    def __init__(self, database: AsyncDatabase[Record]) -> None:
        self._files = database[FILES]

    async def page(
        self, owner: str, wanted: Filter, limit: int, after: tuple[datetime, ObjectId] | None = None
    ) -> list[Record]:
        """Up to `limit` records, those that were created before the place `after` where it is given."""
        found = self._files.find(_query(owner, wanted, after), LIGHT).sort(NEWEST_FIRST).limit(limit)
        return await found.to_list()


def _query(owner: str, wanted: Filter, after: tuple[datetime, ObjectId] | None) -> Record:
    query: Record = {"owner": owner, "deleted_at": ABSENT}
    if wanted.status is not None:
        query["status"] = wanted.status
    if wanted.name:
        query["name"] = {"$regex": re.escape(wanted.name), "$options": "i"}
    if wanted.batch_id is not None:
        query["batch_id"] = wanted.batch_id
    for key, value in wanted.metadata.items():
        query[f"metadata.{key}"] = value
    span: Record = {}
    if wanted.created_after is not None:
        span["$gt"] = wanted.created_after
    if wanted.created_before is not None:
        span["$lt"] = wanted.created_before
    if after is not None:
        created_at, file_id = after
        span["$lte"] = created_at
        query["$or"] = [
            {"created_at": {"$lt": created_at}},
            {"created_at": created_at, "_id": {"$lt": file_id}},
        ]
    if span:
        query["created_at"] = span
    return query
