"""A folder as storage: nothing half-written is ever seen, nothing is left behind."""

import asyncio
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.storage.base import StorageFull, StorageRefused
from app.storage.disk import DiskStorage
from tests.support.api import files_under

ID = "0123456789abcdef01234567"
KEY = f"{ID}/token"


@pytest.fixture
def storage(tmp_path: Path) -> DiskStorage:
    return DiskStorage(tmp_path / "files")


@pytest.fixture
def full_after_64_kb() -> Iterator[None]:
    """This process may write no file longer than 64 kB: the system refuses as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_object_is_seen_only_after_commit(storage: DiskStorage) -> None:
    async def scenario() -> None:
        writer = await storage.writer(KEY)
        await writer.write(b"one")
        assert not await storage.exists(KEY)
        await writer.write(b"two")
        await writer.commit()
        assert await storage.exists(KEY)

    asyncio.run(scenario())
    assert storage.get(KEY) == b"onetwo"
    assert files_under(storage.root) == [ID, KEY]


def test_only_the_owner_of_the_process_may_read_the_file(storage: DiskStorage) -> None:
    storage.put(KEY, b"private")
    assert stat.S_IMODE((storage.root / KEY).stat().st_mode) == 0o600
    assert stat.S_IMODE((storage.root / ID).stat().st_mode) == 0o700


def test_abort_leaves_nothing_even_while_a_block_is_being_written(storage: DiskStorage) -> None:
    async def scenario() -> None:
        writer = await storage.writer(KEY)
        await writer.write(b"x" * 1_000_000)
        await writer.abort()
        await writer.abort()

    asyncio.run(scenario())
    assert files_under(storage.root) == []


def test_abort_keeps_what_another_has_stored_beside_it(storage: DiskStorage) -> None:
    storage.put(f"{ID}/pages/1.jpg", b"page")

    async def scenario() -> None:
        writer = await storage.writer(KEY)
        await writer.write(b"x")
        await writer.abort()

    asyncio.run(scenario())
    assert storage.get(f"{ID}/pages/1.jpg") == b"page"


@pytest.mark.usefixtures("full_after_64_kb")
def test_a_full_disk_is_told_by_its_code_and_nothing_is_left(storage: DiskStorage) -> None:
    async def scenario() -> None:
        writer = await storage.writer(KEY)
        with pytest.raises(StorageFull):
            await writer.write(b"x" * 1_000_000)
            await writer.commit()
        await writer.abort()

    asyncio.run(scenario())
    with pytest.raises(StorageFull):
        storage.put(KEY, b"x" * 1_000_000)
    assert files_under(storage.root) == []


def test_an_old_version_stays_whole_when_its_replacement_fails(storage: DiskStorage) -> None:
    storage.put(KEY, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(StorageFull):
            storage.put(KEY, b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert storage.get(KEY) == b"old"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        ID,
        f"{ID}/",
        f"{ID}/../{ID}",
        f"/{ID}/a",
        f"{ID}/.hidden",
        f"{ID}/a b",
        f"{ID.upper()}/a",
        f"{ID}/a\n",
    ],
)
def test_a_key_that_we_do_not_make_is_refused(storage: DiskStorage, key: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        storage.put(key, b"x")


@pytest.mark.parametrize("prefix", ["", ".", "..", f"{ID}/pages", "0123"])
def test_only_a_documents_id_can_be_deleted(storage: DiskStorage, prefix: str) -> None:
    with pytest.raises(ValueError, match="not a document's id"):
        storage.delete_prefix_sync(prefix)


def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageRefused, match="STORAGE_URL"):
        DiskStorage(tmp_path / "file" / "files")


def test_the_check_notices_a_folder_that_has_gone(storage: DiskStorage) -> None:
    asyncio.run(storage.check())
    assert files_under(storage.root) == []
    storage.root.rmdir()
    with pytest.raises(Exception, match="STORAGE_URL"):
        asyncio.run(storage.check())
