"""The `files` collection as a worker meets it: synchronous, for the work-horse and its threads."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from app.db.apply import apply, patiently
from app.db.client import Record
from app.db.clock import ServerClock, server_now
from app.db.collections.budgets import Budgets
from app.db.collections.tallies import WorkTallies
from app.db.db import FILES, META
from app.db.transitions import mend, work
from app.db.transitions.change import ABSENT, Change
from app.db.transitions.work import Hold
from app.domain.errors import Failure
from app.domain.result import Analysis, Answer
from app.domain.status import Status

SAME_DOCUMENT_S: Final = 30.0
CLAIMS: Final = 3
PATIENCE_S: Final = 10.0
HEAVY: Final = {"answers": 0, "calls": 0, "result": 0, "data": 0}
T = TypeVar("T")


class WorkFiles:
    """A worker's transitions. Each returns False when the record is no longer (or not yet) its own.

    `patience` says for how many seconds an outage of the database may be waited out: for a job,
    until its deadline.
    """

    def __init__(
        self,
        database: Database[Record],
        clock: ServerClock | None = None,
        patience: Callable[[], float] = lambda: PATIENCE_S,
        announce: Callable[[ObjectId], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._files = database[FILES]
        self.clock = clock or ServerClock()
        self.patience = patience
        self._announce = announce

    def now(self) -> datetime:
        """The database server's time; asks it when the last answer has grown old."""
        return server_now(self._database, self.clock)

    def apply(self, change: Change) -> bool:
        """Any change, through an outage; those who wait for the record are told."""
        return self._told(change, apply(self._files, change, self.patience()))

    def _told(self, change: Change, landed: bool) -> bool:
        if landed and change.revises:
            self._announce(change.filter["_id"])
        return landed

    def _ask(self, question: Callable[[], T]) -> T:
        return patiently(question, self.patience())

    def budgets(self) -> Budgets:
        """The owners' paid calls, as patient as this."""
        return Budgets(self._database, self.now, lambda: self.patience())

    def tallies(self) -> WorkTallies:
        return WorkTallies(self._database)

    def storage_id(self) -> str | None:
        stored = self._ask(lambda: self._database[META].find_one({"_id": "storage"}))
        return str(stored["storage_id"]) if stored else None

    def find(self, file_id: ObjectId) -> Record | None:
        """The whole record, tombstones left out."""
        return self._ask(lambda: self._files.find_one({"_id": file_id, "deleted_at": ABSENT}))

    def claim(
        self, file_id: ObjectId, hold: Hold, lease_s: float, max_attempts: int, analysis_key: str
    ) -> Record | None:
        """queued → processing, then read back by id *and* token; None when it is not to be had now."""
        mine = {"_id": file_id, "lease.token": hold.token}
        for _ in range(CLAIMS):
            now = self.now()
            until = now + timedelta(seconds=lease_s)
            try:
                claimed = any(
                    self.apply(work.claim(file_id, hold, now, until, max_attempts, analysis_key, **answered))
                    for answered in ({}, {"all_answered": True})
                )
            except DuplicateKeyError:
                if self._twin_has_ended(file_id, analysis_key):
                    continue
                return None
            return self._ask(lambda: self._files.find_one(mine)) if claimed else None
        return None

    def _twin_has_ended(self, file_id: ObjectId, analysis_key: str) -> bool:
        """Wait for the twin in work; True where it ended before it could see that we wait, and wake us."""
        now = self.now()
        self.apply(work.wait_for_same(file_id, now, now + timedelta(seconds=SAME_DOCUMENT_S), analysis_key))
        twin = {"analysis_key": analysis_key, "status": work.WORKING}
        if self._ask(lambda: self._files.count_documents(twin, limit=1)):
            return False
        return self.apply(work.look_again(file_id, analysis_key, self.now()))

    def heartbeat(self, file_id: ObjectId, token: str, lease_s: float) -> bool:
        """Renew the lease. Does not wait out an outage: whoever calls tries again."""
        until = self.now() + timedelta(seconds=lease_s)
        return apply(self._files, work.heartbeat(file_id, token, until), patience_s=0)

    def progress(self, file_id: ObjectId, token: str, stage: str, done: int, total: int | None) -> bool:
        """Best effort: does not wait out an outage."""
        change = work.progress(file_id, token, self.now(), stage, done, total)
        return self._told(change, apply(self._files, change, patience_s=0))

    def converted(
        self, file_id: ObjectId, token: str, pages: int, pages_per_call: int, seen: int, missing: list[int]
    ) -> bool:
        return self.apply(work.converted(file_id, token, self.now(), pages, pages_per_call, seen, missing))

    def adopt(self, file_id: ObjectId, token: str, source: Record) -> bool:
        """processing → conversion complete with all pages and answers of `source`."""
        return self.apply(work.adopt(file_id, token, self.now(), source))

    def fence(self, file_id: ObjectId, token: str, call_id: str, batch: int, model: str) -> bool:
        return self.apply(work.fence(file_id, token, self.now(), call_id, batch, model))

    def call_failed(self, file_id: ObjectId, call_id: str, batch: int, code: str, paid: bool) -> bool:
        return self.apply(work.call_failed(file_id, call_id, batch, self.now(), code, paid))

    def save_answer(
        self, file_id: ObjectId, batch: int, pages_per_call: int, call_id: str, text: Answer
    ) -> bool:
        """Keep what was paid for, through an outage, whoever holds the record by now."""
        return self.apply(work.answer(file_id, batch, pages_per_call, call_id, self.now(), text))

    def end_call(self, file_id: ObjectId, call_id: str) -> None:
        """The call's end, noted beside its intent, where its answer was not kept (that notes it too)."""
        self.apply(work.call_ended(file_id, call_id, self.now()))

    def finish(
        self,
        file_id: ObjectId,
        token: str,
        analysis: Analysis,
        attempt: dict[str, Any],
        extra: dict[str, Any] | None = None,
    ) -> bool:
        return self.apply(work.finish(file_id, token, self.now(), analysis, attempt, extra))

    def fail(self, file_id: ObjectId, token: str, failure: Failure, attempt: dict[str, Any]) -> bool:
        return self.apply(work.fail(file_id, token, self.now(), failure, attempt))

    def requeue(
        self,
        file_id: ObjectId,
        token: str,
        delay_s: float,
        *,
        waiting_for: str | None = None,
        spends_attempt: bool = True,
        attempt: dict[str, Any] | None = None,
    ) -> bool:
        now = self.now()
        change = work.requeue(
            file_id,
            token,
            now,
            now + timedelta(seconds=delay_s),
            waiting_for=waiting_for,
            spends_attempt=spends_attempt,
            attempt=attempt,
        )
        return self.apply(change)

    def finished_with(self, analysis_key: str, younger_than_s: float) -> Record | None:
        """A finished record with the same analysis, analysed not longer ago than that."""
        finished = {
            "analysis_key": analysis_key,
            "status": str(Status.DONE),
            "deleted_at": ABSENT,
            "ended_at": {"$gte": self.now() - timedelta(seconds=younger_than_s)},
            "usage.cached": False,
        }
        return self._ask(lambda: self._files.find_one(finished, {"calls": 0, "attempts": 0, "timeline": 0}))

    def held_by(self, host: str, pid: int) -> list[Record]:
        """What the process `pid` of `host` holds: its lease names it."""
        holders = {"lease.host": host, "lease.pid": pid}
        working = {"status": {"$in": [str(Status.PROCESSING), str(Status.CONVERTED)]}}
        return self._ask(lambda: list(self._files.find(working | holders, HEAVY)))

    def free_killed(self, file_id: ObjectId, token: str) -> datetime | None:
        """End the lease of a holder that is known to be dead; when it ended, None if it was not its own."""
        now = self.now()
        return now if self.apply(mend.free_killed(file_id, token, now)) else None

    def wake_same(self, analysis_key: str) -> list[ObjectId]:
        """Let the documents that waited for this analysis be claimed; answers whose bells to ring."""
        waiting = {"status": str(Status.QUEUED), "waiting_for": work.SAME_DOCUMENT, "same_as": analysis_key}
        found = self._ask(lambda: list(self._files.find(waiting, {"_id": 1}).limit(1_000)))
        now = self.now()
        return [one["_id"] for one in found if self.apply(work.look_again(one["_id"], analysis_key, now))]
