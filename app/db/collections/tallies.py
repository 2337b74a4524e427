"""The `tallies` collection: what ended attempts add up to, in one document that is only ever added to.

Work-horses are forked for one document each, so they cannot count in memory: they count here.
"""

from typing import Any, Final

from pymongo import WriteConcern
from pymongo.database import Database

from app.db.client import Record
from app.db.db import TALLIES
from app.domain.figures import Durations, Tallies

WORK: Final = "work"
UNSAFE: Final = str.maketrans({".": "_", "$": "_"})
"""Characters that mean something in a field's path."""


def add_tallies(database: Database[Record], added: dict[tuple[str, ...], float]) -> None:
    """Add what one attempt was; `added` by path. Not waited for to be durable: it is a count."""
    increments = {".".join(part.translate(UNSAFE) for part in path): n for path, n in added.items() if n}
    if increments:
        quick = database.get_collection(TALLIES, write_concern=WriteConcern(w=1))
        quick.update_one({"_id": WORK}, {"$inc": increments}, upsert=True)


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
