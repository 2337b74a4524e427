"""The reconciler and bytes: dead uploads, deleted documents, retention, and bytes that nobody knows."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from app.db.db import META
from app.domain.file import original_key, page_key
from tests.support.reconciling import Scene
from tests.support.records import Records

DAY = timedelta(days=1)


@pytest.fixture
def scene(mongo_url: str, mongo_db: str, tmp_path: Path) -> Iterator[Scene]:
    with Records(mongo_url, mongo_db) as records:
        yield Scene(mongo_url, mongo_db, tmp_path / "files", records)


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
