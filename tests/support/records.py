"""Puts records of a test's database into the state a test starts from, by the service's own transitions."""

from datetime import timedelta
from typing import Any, Self

from bson import ObjectId

from app.db.apply import apply
from app.db.client import Record, sync_client, sync_database
from app.db.collections.work import WorkFiles
from app.db.db import FILES, ensure_indexes
from app.db.transitions import intake
from app.db.transitions.work import Hold
from app.domain.file import PUBLIC_OWNER, new_id, new_token, original_key
from app.domain.result import Answer, Usage

AN_ANSWER = Answer("an answer", "a-model", Usage(10, 5))


def a_hold(worker: str = "worker-1", pid: int = 4711, host: str = "host-1") -> Hold:
    return Hold(new_token(), worker, pid, host)


class Records:
    """One test's database, with its indexes; `work` is the worker's side of it."""

    def __init__(self, url: str, name: str) -> None:
        self._client = sync_client(url)
        self.database = sync_database(self._client, name)
        ensure_indexes(self.database)
        self.files = self.database[FILES]
        self.work = WorkFiles(self.database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def saving(
        self, lease_s: float = 600, owner: str = PUBLIC_OWNER, key: str | None = None
    ) -> tuple[ObjectId, str]:
        """A record whose upload is under way, and the upload's token."""
        file_id, token = new_id(), new_token()
        record = intake.new_record(file_id, token, owner, self.work.now(), lease_s, idempotency_key=key)
        self.files.insert_one(record)
        return file_id, token

    def queued(self, owner: str = PUBLIC_OWNER, key: str | None = None, **fields: Any) -> ObjectId:
        """An accepted record; `fields` overwrite what it would hold."""
        file_id, token = self.saving(owner=owner, key=key)
        facts = {"name": "resume.pdf", "blob": original_key(file_id, token), "size": 9, "sha256": "0" * 64}
        assert apply(self.files, intake.accept_upload(file_id, token, self.work.now(), facts))
        if fields:
            self.put(file_id, **fields)
        return file_id

    def rung(self, epoch: str = "epoch-1", ago_s: float = -60, **fields: Any) -> ObjectId:
        """An accepted, due record for which somebody rang so long ago.

        The default lies in the future: however slow the test, that bell is not an old one.
        """
        now = self.work.now()
        rung_at = now - timedelta(seconds=ago_s)
        facts = {"next_try_at": min(now, rung_at), "rung_at": rung_at, "rung_epoch": epoch}
        return self.queued(**facts | fields)

    def claimed(
        self, hold: Hold | None = None, lease_s: float = 600, analysis_key: str | None = None, **fields: Any
    ) -> tuple[ObjectId, Hold]:
        """A record that a worker holds, and its hold; `fields` overwrite what it holds then."""
        file_id, hold = self.queued(), hold or a_hold()
        assert self.work.claim(file_id, hold, lease_s, 100, analysis_key or str(file_id))
        if fields:
            self.put(file_id, **fields)
        return file_id, hold

    def converted(self, batches: int = 1, lease_s: float = 600, **fields: Any) -> tuple[ObjectId, Hold]:
        """A record in work with all pages stored: one page a batch, none answered."""
        file_id, hold = self.claimed(lease_s=lease_s)
        assert self.work.converted(file_id, hold.token, batches, 1, 0, list(range(batches)))
        if fields:
            self.put(file_id, **fields)
        return file_id, hold

    def fenced(self, batch: int = 0) -> tuple[ObjectId, Hold, str]:
        """A record whose worker may pay for `batch` now, and the call's id."""
        file_id, hold = self.converted()
        call_id = new_token()
        assert self.work.fence(file_id, hold.token, call_id, batch, AN_ANSWER.model)
        return file_id, hold, call_id

    def put(self, file_id: ObjectId, **fields: Any) -> None:
        """Overwrite fields; `__` stands for a dot."""
        changed = {name.replace("__", "."): value for name, value in fields.items()}
        assert self.files.update_one({"_id": file_id}, {"$set": changed}).matched_count == 1

    def expire(self, file_id: ObjectId, ago_s: float = 1.0) -> None:
        """Let the lease be over."""
        self.put(file_id, lease__until=self.work.now() - timedelta(seconds=ago_s))

    def get(self, file_id: ObjectId) -> Record:
        record = self.files.find_one({"_id": file_id})
        assert record is not None
        return record

    def gone(self, file_id: ObjectId) -> bool:
        return self.files.find_one({"_id": file_id}) is None

    def status(self, file_id: ObjectId) -> str:
        return str(self.get(file_id)["status"])
