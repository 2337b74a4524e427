"""The `files` collection as a worker meets it: synchronous, for the work-horse and its threads."""

from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from app.db.apply import apply
from app.db.client import Record
from app.db.clock import ServerClock, server_now
from app.db.db import FILES, META
from app.db.transitions import mend, work
from app.db.transitions.change import ABSENT
from app.db.transitions.work import Hold
from app.domain.errors import Failure
from app.domain.result import Analysis, Answer
from app.domain.status import Status

SAME_DOCUMENT_S = 30.0


class WorkFiles:
    """A worker's transitions. Each returns False when the record is no longer (or not yet) its own."""

    def __init__(self, database: Database[Record], clock: ServerClock | None = None) -> None:
        self._database = database
        self._files = database[FILES]
        self.clock = clock or ServerClock()

    def now(self) -> datetime:
        """The database server's time; asks it when the last answer has grown old."""
        return server_now(self._database, self.clock)

    def storage_id(self) -> str | None:
        stored = self._database[META].find_one({"_id": "storage"})
        return str(stored["storage_id"]) if stored else None

    def find(self, file_id: ObjectId) -> Record | None:
        """The whole record, tombstones left out."""
        return self._files.find_one({"_id": file_id, "deleted_at": ABSENT})

    def claim(
        self, file_id: ObjectId, hold: Hold, lease_s: float, max_attempts: int, analysis_key: str
    ) -> Record | None:
        """queued → processing, then read back by id *and* token; None when it is not to be had now."""
        now = self.now()
        until = now + timedelta(seconds=lease_s)
        try:
            claimed = apply(self._files, work.claim(file_id, hold, now, until, max_attempts, analysis_key))
        except DuplicateKeyError:
            apply(
                self._files,
                work.wait_for_same(file_id, now, now + timedelta(seconds=SAME_DOCUMENT_S), analysis_key),
            )
            return None
        if not claimed:
            return None
        return self._files.find_one({"_id": file_id, "lease.token": hold.token})

    def heartbeat(self, file_id: ObjectId, token: str, lease_s: float) -> bool:
        until = self.now() + timedelta(seconds=lease_s)
        return apply(self._files, work.heartbeat(file_id, token, until), patience_s=0)

    def progress(self, file_id: ObjectId, token: str, stage: str, done: int, total: int | None) -> bool:
        return apply(self._files, work.progress(file_id, token, self.now(), stage, done, total))

    def converted(
        self, file_id: ObjectId, token: str, pages: int, pages_per_call: int, seen: int, missing: list[int]
    ) -> bool:
        change = work.converted(file_id, token, self.now(), pages, pages_per_call, seen, missing)
        return apply(self._files, change)

    def fence(self, file_id: ObjectId, token: str, call_id: str, batch: int, model: str) -> bool:
        return apply(self._files, work.fence(file_id, token, self.now(), call_id, batch, model))

    def call_failed(self, file_id: ObjectId, call_id: str, batch: int, code: str, paid: bool) -> bool:
        return apply(self._files, work.call_failed(file_id, call_id, batch, self.now(), code, paid))

    def save_answer(
        self,
        file_id: ObjectId,
        batch: int,
        pages_per_call: int,
        call_id: str,
        text: Answer,
        patience_s: float,
    ) -> bool:
        """Keep what was paid for, through an outage of up to `patience_s`."""
        change = work.answer(file_id, batch, pages_per_call, call_id, self.clock.now(), text)
        return apply(self._files, change, patience_s)

    def end_call(self, file_id: ObjectId, call_id: str) -> None:
        """The call's end with its answer saved, noted beside its intent."""
        open_call = {"$elemMatch": {"id": call_id, "ended_at": ABSENT}}
        self._files.update_one(
            {"_id": file_id, "calls": open_call}, {"$set": {"calls.$.ended_at": self.clock.now()}}
        )

    def finish(
        self,
        file_id: ObjectId,
        token: str,
        analysis: Analysis,
        attempt: dict[str, Any],
        extra: dict[str, Any] | None = None,
        patience_s: float = 30.0,
    ) -> bool:
        change = work.finish(file_id, token, self.now(), analysis, attempt, extra)
        return apply(self._files, change, patience_s)

    def fail(self, file_id: ObjectId, token: str, failure: Failure, attempt: dict[str, Any]) -> bool:
        return apply(self._files, work.fail(file_id, token, self.now(), failure, attempt), 30.0)

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
        return apply(self._files, change, 30.0)

    def finished_with(self, analysis_key: str, younger_than_s: float) -> Record | None:
        """A finished record with the same analysis, analysed not longer ago than that."""
        since = self.now() - timedelta(seconds=younger_than_s)
        return self._files.find_one(
            {
                "analysis_key": analysis_key,
                "status": str(Status.DONE),
                "deleted_at": ABSENT,
                "ended_at": {"$gte": since},
                "usage.cached": False,
            }
        )

    def held_by(self, host: str, pid: int) -> list[Record]:
        """What the process `pid` of `host` holds: its lease names it."""
        holders = {"lease.host": host, "lease.pid": pid}
        working = {"status": {"$in": [str(Status.PROCESSING), str(Status.CONVERTED)]}}
        return list(self._files.find(working | holders, {"lease": 1}))

    def free_killed(self, file_id: ObjectId, token: str) -> bool:
        """End the lease of a holder that is known to be dead."""
        return apply(self._files, mend.free_killed(file_id, token, self.now()), patience_s=2.0)

    def wake_same(self, analysis_key: str) -> list[ObjectId]:
        """Let the documents that waited for this analysis be claimed; answers whose bells to ring."""
        waiting = {"status": str(Status.QUEUED), "waiting_for": work.SAME_DOCUMENT, "same_as": analysis_key}
        found = [record["_id"] for record in self._files.find(waiting, {"_id": 1}).limit(1_000)]
        now = self.now()
        return [one for one in found if apply(self._files, work.look_again(one, analysis_key, now))]
