"""The reconciler on real stores: what is overdue is mended once, what is not is left alone."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from app.config import SharedSettings
from app.db.client import async_client, async_database
from app.db.db import META
from app.domain.file import new_token, original_key, page_key
from app.queue.reconciler import Reconciler
from app.storage.disk import DiskStorage
from tests.support.records import AN_ANSWER, Records, a_hold

DAY = timedelta(days=1)


class FakeBell:
    """A doorbell that remembers who was rung for; `heard` is what is in the queue."""

    def __init__(self, epoch: str | None = "epoch-1") -> None:
        self.epoch = epoch
        self.deaf = False
        self.rung: list[str] = []
        self.waiting: set[str] = set()

    async def ring_async(self, file_id: str) -> bool:
        if self.deaf:
            return False
        self.rung.append(file_id)
        self.waiting.add(file_id)
        return True

    async def epoch_async(self) -> str | None:
        return self.epoch

    async def waiting_async(self) -> set[str] | None:
        return None if self.deaf else self.waiting


class Scene:
    """A database, a folder, a doorbell, and as many reconcilers as a test wants."""

    def __init__(self, url: str, name: str, folder: Path, records: Records) -> None:
        self.url, self.name = url, name
        self.records = records
        self.storage = DiskStorage(folder)
        self.bell = FakeBell()

    def tick(self, reconcilers: int = 1, ticks: int = 1, **settings: object) -> Counter[str]:
        """So many new reconcilers at once, each as often; what they did together."""

        async def all_of_them() -> Counter[str]:
            async with async_client(self.url) as client:
                database = async_database(client, self.name)
                config = SharedSettings(**settings)  # type: ignore[arg-type]
                made = [Reconciler(database, self.storage, self.bell, config) for _ in range(reconcilers)]
                done = [await asyncio.gather(*(one.tick() for one in made)) for _ in range(ticks)]
                return sum((count for round_ in done for count in round_), Counter())

        return asyncio.run(all_of_them())

    def bytes_of(self, file_id: ObjectId) -> list[str]:
        folder = self.storage.root / str(file_id)
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())

    def adopt_storage(self, ago: timedelta) -> None:
        """The database took this storage so long ago."""
        own = new_token()
        asyncio.run(self.storage.claim_id(own))
        meta = {"_id": "storage", "storage_id": own, "adopted_at": self.now() - ago}
        self.records.database[META].insert_one(meta)

    def now(self) -> datetime:
        return self.records.work.now()


@pytest.fixture
def scene(mongo_url: str, mongo_db: str, tmp_path: Path) -> Iterator[Scene]:
    with Records(mongo_url, mongo_db) as records:
        yield Scene(mongo_url, mongo_db, tmp_path / "files", records)


def test_a_dead_worker_s_document_is_queued_and_rung_for_in_one_tick(scene: Scene) -> None:
    file_id, hold = scene.records.claimed(a_hold("worker-9"))
    scene.records.expire(file_id)
    assert scene.tick() == {"lease_expired": 1, "rung": 1}
    record = scene.records.get(file_id)
    assert record["status"] == "queued"
    assert record["attempts"][0]["code"] == "worker_died"
    assert record["attempts"][0]["worker"] == "worker-9"
    assert "lease" not in record
    assert record["left_by"] == hold.token
    assert scene.bell.rung == [str(file_id)]


def test_a_living_worker_s_document_is_left_alone(scene: Scene) -> None:
    file_id, _ = scene.records.claimed()
    before = scene.records.get(file_id)
    assert scene.tick() == {}
    assert scene.records.get(file_id) == before


def test_of_many_reconcilers_one_acts(scene: Scene) -> None:
    ids = [scene.records.claimed()[0] for _ in range(10)] + [scene.records.converted()[0] for _ in range(10)]
    for file_id in ids:
        scene.records.expire(file_id)
    assert scene.tick(reconcilers=4) == {"lease_expired": 20, "rung": 20}
    assert sorted(scene.bell.rung) == sorted(map(str, ids))


def test_the_last_attempt_s_death_fails_the_document_with_a_reason(scene: Scene) -> None:
    file_id, _ = scene.records.claimed(attempts_made=5)
    scene.records.expire(file_id)
    assert scene.tick() == {"lease_expired_for_good": 1}
    record = scene.records.get(file_id)
    assert record["status"] == "failed"
    assert (record["error"]["code"], record["error"]["retryable"]) == ("worker_died", True)
    assert "MAX_ATTEMPTS" in record["error"]["message"]
    assert scene.bell.rung == []


def test_a_fully_answered_document_goes_on_whatever_its_attempts(scene: Scene) -> None:
    file_id, _, call_id = scene.records.fenced()
    assert scene.records.work.save_answer(file_id, 0, 1, call_id, AN_ANSWER)
    scene.records.put(file_id, attempts_made=5)
    scene.records.expire(file_id)
    assert scene.tick()["lease_expired"] == 1
    assert scene.records.work.claim(file_id, a_hold(), 30, 5, "key") is not None


def test_a_dead_upload_leaves_nothing(scene: Scene) -> None:
    file_id, token = scene.records.saving()
    scene.storage.put(original_key(file_id, token), b"half a file")
    scene.records.expire(file_id)
    assert scene.tick(reconcilers=3) == {"dead_upload_removed": 1}
    assert scene.records.gone(file_id)
    assert scene.bytes_of(file_id) == []


def test_an_upload_under_way_and_a_queued_document_keep_their_bytes(scene: Scene) -> None:
    saving, token = scene.records.saving()
    queued = scene.records.rung()
    # What a broken clock could make of an accepted upload: the lease's remains, long over.
    scene.records.put(queued, lease={"token": "x", "until": scene.now() - DAY})
    for key in (original_key(saving, token), original_key(queued, "x")):
        scene.storage.put(key, b"bytes")
    assert scene.tick() == {}
    assert scene.bytes_of(saving)
    assert scene.bytes_of(queued)


def test_a_document_never_rung_for_is_rung_for_once(scene: Scene) -> None:
    file_id = scene.records.queued(queued_at=scene.now() - timedelta(seconds=2))
    assert scene.tick(reconcilers=4, ticks=2) == {"rung": 1}
    record = scene.records.get(file_id)
    assert record["rung_epoch"] == "epoch-1"


def test_whoever_just_queued_a_document_has_a_moment_to_ring(scene: Scene) -> None:
    scene.records.queued(queued_at=scene.now() + timedelta(seconds=60))
    assert scene.tick() == {}


def test_bells_of_an_emptied_valkey_are_rung_again(scene: Scene) -> None:
    ids = [scene.records.rung("before the flush") for _ in range(5)]
    assert scene.tick(reconcilers=3) == {"rung": 5}
    assert sorted(scene.bell.rung) == sorted(map(str, ids))


def test_a_bell_still_in_the_queue_is_not_rung_again(scene: Scene) -> None:
    file_id = scene.records.rung(ago_s=3600)
    scene.bell.waiting = {str(file_id)}
    assert scene.tick() == {}


def test_a_bell_that_a_worker_took_and_dropped_is_rung_again(scene: Scene) -> None:
    file_id = scene.records.rung(ago_s=11)
    assert scene.tick() == {"rung": 1}
    assert scene.bell.rung == [str(file_id)]


def test_a_bell_rung_a_moment_ago_is_given_time(scene: Scene) -> None:
    scene.records.rung()
    assert scene.tick() == {}


def test_a_document_is_rung_for_when_its_next_try_is_due_and_not_before(scene: Scene) -> None:
    due = scene.records.rung(ago_s=5, next_try_at=scene.now())
    scene.records.queued(next_try_at=scene.now() + timedelta(seconds=60))
    assert scene.tick() == {"rung": 1}
    assert scene.bell.rung == [str(due)]


def test_without_valkey_nothing_is_rung_and_nothing_is_marked(scene: Scene) -> None:
    scene.bell.epoch = None
    file_id = scene.records.queued(queued_at=scene.now() - timedelta(seconds=2))
    assert scene.tick() == {}
    assert "rung_at" not in scene.records.get(file_id)


def test_a_bell_that_nobody_heard_is_rung_at_the_next_tick(scene: Scene) -> None:
    file_id, _ = scene.records.claimed()
    scene.records.expire(file_id)
    scene.bell.deaf = True
    assert scene.tick() == {"lease_expired": 1}
    assert "rung_at" not in scene.records.get(file_id)
    scene.bell.deaf = False
    scene.records.put(file_id, queued_at=scene.now() - timedelta(seconds=2))
    assert scene.tick() == {"rung": 1}


def test_the_longest_waiting_are_rung_for_first_and_no_more_than_a_tick_can_bear(scene: Scene) -> None:
    start = scene.now() - timedelta(hours=1)
    template = scene.records.get(scene.records.queued(next_try_at=scene.now() + DAY))
    scene.records.files.insert_many(
        template | {"_id": ObjectId(), "queued_at": start, "next_try_at": start + timedelta(seconds=n)}
        for n in range(510)
    )
    assert scene.tick() == {"rung": 500}
    last = scene.records.files.find({"rung_at": {"$exists": False}}, {"next_try_at": 1})
    assert sorted(r["next_try_at"] for r in last)[:10] == [
        start + timedelta(seconds=n) for n in range(500, 510)
    ]


def test_a_document_that_waited_too_long_fails_and_says_for_what(scene: Scene) -> None:
    old = scene.records.queued(accepted_at=scene.now() - timedelta(hours=25), waiting_for="provider")
    scene.records.put(old, next_try_at=scene.now() + timedelta(hours=1))
    young = scene.records.rung()
    assert scene.tick(reconcilers=3) == {"document_too_old": 1}
    error = scene.records.get(old)["error"]
    assert (error["code"], error["retryable"]) == ("document_too_old", True)
    assert "MAX_DOCUMENT_AGE_S" in error["message"]
    assert "provider" in error["message"]
    assert scene.records.status(young) == "queued"


def test_a_queued_document_that_nobody_may_claim_fails(scene: Scene) -> None:
    file_id = scene.records.rung(attempts_made=5)
    answered = scene.records.rung(attempts_made=5, unanswered=[])
    assert scene.tick() == {"attempts_used_up": 1}
    assert scene.records.get(file_id)["error"]["code"] == "attempts_used_up"
    assert scene.records.status(answered) == "queued"


def buried(scene: Scene, ago: timedelta = timedelta(0), **fields: object) -> ObjectId:
    """A deleted document whose bytes are still there."""
    file_id = scene.records.queued()
    scene.storage.put(page_key(file_id, 1), b"a page")
    stone = {"owner": "public", "deleted_at": scene.now() - ago, **fields}
    scene.records.files.replace_one({"_id": file_id}, stone)
    return file_id


def test_the_bytes_of_a_deleted_document_are_swept(scene: Scene) -> None:
    file_id = buried(scene)
    assert scene.tick()["tombstone_swept"] == 1
    assert scene.bytes_of(file_id) == []
    assert scene.records.get(file_id)["swept_at"]
    assert scene.tick() == {}


def test_what_a_late_worker_wrote_is_swept_again(scene: Scene) -> None:
    file_id = buried(scene, timedelta(hours=2), swept_at=scene.now())
    assert scene.tick() == {"tombstone_swept": 1}
    assert scene.bytes_of(file_id) == []
    assert scene.tick() == {}


def test_a_tombstone_is_remembered_for_a_day(scene: Scene) -> None:
    swept = {"swept_at": scene.now(), "swept_again_at": scene.now()}
    old, young = buried(scene, timedelta(hours=25), **swept), buried(scene, timedelta(hours=23), **swept)
    assert scene.tick() == {"tombstone_forgotten": 1}
    assert scene.records.gone(old)
    assert not scene.records.gone(young)


@pytest.mark.parametrize("status", ["api call done", "failed", "cancelled"])
def test_an_ended_document_past_its_retention_is_removed_with_its_bytes(scene: Scene, status: str) -> None:
    old = scene.records.queued(status=status, ended_at=scene.now() - timedelta(days=31), result="text")
    young = scene.records.queued(status=status, ended_at=scene.now() - timedelta(days=29))
    for file_id in (old, young):
        scene.storage.put(page_key(file_id, 1), b"a page")
    assert scene.tick(ticks=2, retention_days=30) == {"retention_over": 1, "tombstone_swept": 1}
    assert "result" not in scene.records.get(old)
    assert scene.bytes_of(old) == []
    assert scene.bytes_of(young)
    assert scene.records.status(young) == status


def test_retention_zero_keeps_for_ever(scene: Scene) -> None:
    scene.records.queued(status="failed", ended_at=scene.now() - timedelta(days=3650))
    assert scene.tick(retention_days=0) == {}


def test_a_document_still_in_work_is_never_too_old_to_keep(scene: Scene) -> None:
    scene.records.claimed(created_at=scene.now() - timedelta(days=3650))
    assert scene.tick(retention_days=1) == {}


def orphan(scene: Scene, age: timedelta) -> ObjectId:
    """Bytes that were written so long ago, and no record."""
    file_id = ObjectId()
    scene.storage.put(original_key(file_id, "t0ken"), b"bytes")
    then = (scene.now() - age).timestamp()
    folder = scene.storage.root / str(file_id)
    for path in (folder / "t0ken", folder):
        os.utime(path, (then, then))
    return file_id


def test_old_bytes_without_a_record_are_removed(scene: Scene) -> None:
    scene.adopt_storage(timedelta(days=10))
    old, young = orphan(scene, timedelta(days=2)), orphan(scene, timedelta(hours=23))
    known = orphan(scene, timedelta(days=2))
    scene.records.files.insert_one({"_id": known, "status": "failed", "ended_at": scene.now()})
    assert scene.tick() == {"orphan_removed": 1}
    assert [bool(scene.bytes_of(one)) for one in (old, young, known)] == [False, True, True]


def test_beside_a_new_database_old_bytes_are_not_orphans(scene: Scene) -> None:
    """The database was lost and made anew: the documents in the folder are all that is left."""
    scene.adopt_storage(timedelta(hours=1))
    file_id = orphan(scene, timedelta(days=2))
    assert scene.tick() == {}
    assert scene.bytes_of(file_id)


def test_in_another_s_storage_nothing_is_removed(scene: Scene) -> None:
    scene.adopt_storage(timedelta(days=10))
    file_id = orphan(scene, timedelta(days=2))
    scene.records.database[META].update_one({"_id": "storage"}, {"$set": {"storage_id": "another"}})
    assert scene.tick() == {}
    assert scene.bytes_of(file_id)


def test_an_idempotency_key_whose_day_is_over_may_be_used_again(scene: Scene) -> None:
    over = scene.records.rung(key="k", idempotency_until=scene.now() - timedelta(seconds=1))
    kept = scene.records.rung(key="other")
    assert scene.tick() == {"idempotency_key_freed": 1}
    assert "idempotency_key" not in scene.records.get(over)
    assert scene.records.get(kept)["idempotency_key"] == "other"
