"""The `budgets` collection: how many paid calls each owner has made today, exact across all processes.

A call is counted by one conditional update before it is made, so that two workers can never both take
the last one. What certainly cost nothing is given back to the day that it was taken from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from app.db.apply import patiently
from app.db.client import Record
from app.db.db import BUDGETS

KEPT_DAYS: Final = 40


@dataclass(frozen=True)
class Taken:
    """One call that was counted, so that it can be given back."""

    budget_id: str


@dataclass(frozen=True)
class Over:
    """None is left; `until_next_s` is how long today still lasts."""

    until_next_s: float


class Budgets:
    """`now` is the database server's time: one day for all."""

    def __init__(
        self,
        database: Database[Record],
        now: Callable[[], datetime],
        patience: Callable[[], float] = lambda: 10.0,
    ) -> None:
        self._budgets = database[BUDGETS]
        self._now = now
        self._patience = patience

    def take(self, owner: str, most: int) -> Taken | Over:
        """Count one call against today's `most`.

        A lost reply may count a call twice, never not at all: the budget errs on the side of the purse.
        """
        now = self._now()
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        budget_id = f"{day:%Y-%m-%d}|{owner}"
        counted = {
            "$inc": {"calls": 1},
            "$setOnInsert": {"owner": owner, "day": day, "remove_at": day + timedelta(days=KEPT_DAYS)},
        }
        left = {"_id": budget_id, "calls": {"$lt": most}}
        # None matches when all are spent, or when this is the day's first; only the latter can be inserted.
        for _ in range(2):
            try:
                patiently(lambda: self._budgets.update_one(left, counted, upsert=True), self._patience())
            except DuplicateKeyError:
                continue  # spent, or two were first at the same time: the second look tells
            return Taken(budget_id)
        return Over((day + timedelta(days=1) - now).total_seconds())

    def give_back(self, taken: Taken) -> None:
        """The call cost nothing."""
        spent = {"_id": taken.budget_id, "calls": {"$gt": 0}}
        patiently(lambda: self._budgets.update_one(spent, {"$inc": {"calls": -1}}), self._patience())
