"""An owner's paid calls a day, as one job meets them: counted at the fence, given back when not billed."""

import threading
from collections.abc import Callable
from typing import Final, Protocol

import structlog
from pymongo.errors import PyMongoError

from app.db.collections.budgets import Over, Taken
from app.domain.errors import TransientFailure
from app.queue.retry_policy import COST_NOTHING

LONGEST_WAIT_S: Final = 3600.0
"""Looked at again at least so often: the operator may have raised the budget."""

log = structlog.get_logger(__name__)


class BudgetSpent(TransientFailure):
    """The document waits, no attempt is spent; MAX_DOCUMENT_AGE_S ends the waiting."""

    def __init__(self, over: Over) -> None:
        super().__init__(
            "Today's budget of paid calls is spent (MAX_PAID_CALLS_PER_DAY). It waits for tomorrow's.",
            code="budget_spent",
            costs_attempt=False,
            retry_after_s=min(over.until_next_s, LONGEST_WAIT_S),
            waiting_for="budget",
        )


class Purse(Protocol):
    """`app.db.collections.budgets.Budgets`."""

    def take(self, owner: str, most: int) -> Taken | Over: ...

    def give_back(self, taken: Taken) -> None: ...


class Budget:
    """One job's. `most` of 0 is no limit. Calls run in threads."""

    def __init__(self, purse: Purse | None, owner: str, most: int) -> None:
        self._purse = purse
        self._owner = owner
        self._most = most
        self._open: dict[str, Taken] = {}
        self._lock = threading.Lock()

    def fence(self, make_intent: Callable[[], str]) -> str:
        """Count a call, then store its intent, whose id this answers. Raises BudgetSpent."""
        if self._purse is None or not self._most:
            return make_intent()
        taken = self._purse.take(self._owner, self._most)
        if isinstance(taken, Over):
            raise BudgetSpent(taken)
        try:
            call_id = make_intent()
        except BaseException:
            self._give_back(taken)
            raise
        with self._lock:
            self._open[call_id] = taken
        return call_id

    def call_failed(self, call_id: str, code: str) -> None:
        """Give back what was certainly not billed."""
        with self._lock:
            taken = self._open.pop(call_id, None)
        if taken is not None and code in COST_NOTHING:
            self._give_back(taken)

    def _give_back(self, taken: Taken) -> None:
        assert self._purse is not None
        try:
            self._purse.give_back(taken)
        except PyMongoError as error:  # counted without a call: the owner has one less today, nobody pays
            log.warning("budget_not_given_back", error_type=type(error).__name__)
