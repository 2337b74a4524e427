"""The `tallies` collection: what ended attempts add up to, in one document that is only ever added to.

Work-horses are forked for one document each, so they cannot count in memory: they count here.
"""

from collections.abc import Mapping
from typing import Any, Final

import pymongo
from bson import ObjectId
from pymongo import WriteConcern
from pymongo.database import Database

from app.db.client import Record
from app.db.db import FILES, TALLIES
from app.db.transitions.change import ABSENT
from app.domain.figures import Durations, Tallies

WORK: Final = "work"
PATIENCE_S: Final = 1.0
UNSAFE: Final = str.maketrans({".": "_", "$": "_"})
"""Characters that mean something in a field's path."""
LEFT: Final = dict.fromkeys(
    (
        "status", "ended_by", "left_by", "ended_at", "accepted_at", "usage", "pages",
        "attempts", "timeline", "calls",
    ),
    1,
)  # fmt: skip


class WorkTallies:
    """A work-horse's view: what its attempt left, and where it is added. Waits for nothing."""

    def __init__(self, database: Database[Record]) -> None:
        self._files = database[FILES]
        # Not waited for until it is durable: it is a count.
        self._tallies = database.get_collection(TALLIES, write_concern=WriteConcern(w=1))

    def left_by(self, file_id: ObjectId, token: str) -> Record | None:
        """The record after the attempt of `token`, of its answers only what was paid for them."""
        alive = {"_id": file_id, "deleted_at": ABSENT}
        with pymongo.timeout(PATIENCE_S):
            found = self._files.find_one(alive, LEFT)
            if found is None:
                return None
            batches = {call["batch"] for call in found["calls"] if call["token"] == token}
            if batches:
                paid = {f"answers.{n}.{what}": 1 for n in batches for what in ("call_id", "usage")}
                found |= self._files.find_one(alive, paid) or {}
        return found

    def add(self, added: Mapping[tuple[str, ...], float]) -> None:
        """`added` by path."""
        increments = {".".join(part.translate(UNSAFE) for part in path): n for path, n in added.items() if n}
        if increments:
            with pymongo.timeout(PATIENCE_S):
                self._tallies.update_one({"_id": WORK}, {"$inc": increments}, upsert=True)


def read_tallies(stored: Record | None) -> Tallies:
    if stored is None:
        return Tallies()
    stages: dict[str, Any] = stored.get("stages", {})
    return Tallies(
        attempts=stored.get("attempts", {}),
        retries=stored.get("retries", {}),
        calls=stored.get("calls", {}),
        tokens=stored.get("tokens", {}),
        pages=stored.get("pages", 0),
        stages={
            name: Durations(float(one.get("sum_s", 0)), one.get("buckets", {}))
            for name, one in stages.items()
        },
    )
