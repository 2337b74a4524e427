"""Which storage STORAGE_URL names, and that it is the one this database belongs to."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from app.storage.base import StorageRefused
from app.storage.disk import DiskStorage
from app.storage.open import claim_storage, open_storage, verify_storage
from app.storage.s3 import S3Storage


class FakeMeta:
    """What MongoDB keeps: the first id that was proposed, or one given."""

    def __init__(self, kept: str | None = None) -> None:
        self.kept = kept

    async def belongs(self, proposed: str) -> str:
        await asyncio.sleep(0)
        self.kept = self.kept or proposed
        return self.kept


def test_a_path_and_a_file_url_name_a_folder(tmp_path: Path) -> None:
    for url in (str(tmp_path / "a b"), f"file://{tmp_path}/a%20b"):
        storage = open_storage(url)
        assert isinstance(storage, DiskStorage)
        assert storage.root == tmp_path / "a b"


def test_an_s3_url_names_a_bucket() -> None:
    assert isinstance(open_storage("s3://bucket/some/prefix"), S3Storage)


@pytest.mark.parametrize("url", ["ftp://host/x", "http://host/x", "file://host/x", "s3://", "s3:///prefix"])
def test_another_url_is_refused_by_name(url: str) -> None:
    with pytest.raises(StorageRefused, match="STORAGE_URL"):
        open_storage(url)


def test_a_new_folder_and_a_new_database_belong_together_ever_after(tmp_path: Path) -> None:
    meta = FakeMeta()
    first = asyncio.run(claim_storage(DiskStorage(tmp_path), meta.belongs))
    again = asyncio.run(claim_storage(DiskStorage(tmp_path), meta.belongs))
    assert first == again == meta.kept == DiskStorage(tmp_path).stored_id()


def test_a_folder_of_another_database_is_refused(tmp_path: Path) -> None:
    asyncio.run(claim_storage(DiskStorage(tmp_path), FakeMeta().belongs))
    with pytest.raises(StorageRefused, match="STORAGE_URL"):
        asyncio.run(claim_storage(DiskStorage(tmp_path), FakeMeta("another").belongs))


def test_a_new_folder_for_an_old_database_is_refused_and_stays_unmarked(tmp_path: Path) -> None:
    with pytest.raises(StorageRefused, match="STORAGE_URL"):
        asyncio.run(claim_storage(DiskStorage(tmp_path), FakeMeta("old").belongs))
    assert DiskStorage(tmp_path).stored_id() is None


def test_a_new_database_takes_over_the_id_of_an_old_folder(tmp_path: Path) -> None:
    own = asyncio.run(claim_storage(DiskStorage(tmp_path), FakeMeta().belongs))
    meta = FakeMeta()
    assert asyncio.run(claim_storage(DiskStorage(tmp_path), meta.belongs)) == own == meta.kept


def test_processes_that_start_at_once_agree_on_one_id(tmp_path: Path) -> None:
    belongs: Callable[[str], Awaitable[str]] = FakeMeta().belongs

    async def scenario() -> list[str]:
        return await asyncio.gather(*(claim_storage(DiskStorage(tmp_path), belongs) for _ in range(8)))

    assert len(set(asyncio.run(scenario()))) == 1


def test_a_worker_refuses_another_storage_and_one_that_is_not_set_up(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path)
    for expected in (None, "theirs"):
        with pytest.raises(StorageRefused, match="STORAGE_URL"):
            verify_storage(storage, expected)
    own = asyncio.run(claim_storage(storage, FakeMeta().belongs))
    verify_storage(storage, own)
    with pytest.raises(StorageRefused, match="STORAGE_URL"):
        verify_storage(storage, "theirs")
