"""The same promises from a folder and from a bucket (moto's S3 server)."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.storage.base import Storage, StorageRefused
from app.storage.open import claim_storage, open_storage
from tests.support.s3 import BUCKET

ID = "0123456789abcdef01234567"
OTHER = "76543210fedcba9876543210"
KEY = f"{ID}/token"


@pytest.fixture(params=["disk", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "disk":
        return open_storage(str(tmp_path / "files"))
    request.getfixturevalue("s3")
    return open_storage(f"s3://{BUCKET}/some/prefix")


async def write(storage: Storage, key: str, *blocks: bytes) -> None:
    writer = await storage.writer(key)
    for block in blocks:
        await writer.write(block)
    await writer.commit()


async def read(storage: Storage, key: str) -> bytes:
    return b"".join([block async for block in storage.read(key)])


@pytest.mark.parametrize("blocks", [0, 1, 3, 50], ids=lambda n: f"{n} blocks")
def test_what_was_written_is_read(storage: Storage, blocks: int, tmp_path: Path) -> None:
    content = [bytes([n]) * 256 * 1024 for n in range(blocks)]
    whole = b"".join(content)

    async def scenario() -> None:
        await write(storage, KEY, *content)
        assert await storage.exists(KEY)
        assert await read(storage, KEY) == whole

    asyncio.run(scenario())
    assert storage.get(KEY) == whole
    storage.fetch_to(KEY, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == whole


@pytest.mark.parametrize("blocks", [1, 50])
def test_an_aborted_object_was_never_there(storage: Storage, blocks: int) -> None:
    async def scenario() -> None:
        writer = await storage.writer(KEY)
        for _ in range(blocks):
            await writer.write(b"x" * 256 * 1024)
        assert not await storage.exists(KEY)
        await writer.abort()
        assert not await storage.exists(KEY)
        assert await storage.list_ids() == {}

    asyncio.run(scenario())


def test_an_aborted_upload_leaves_no_parts_in_the_bucket(s3: Any) -> None:
    async def scenario() -> None:
        writer = await open_storage(f"s3://{BUCKET}").writer(KEY)
        for _ in range(50):
            await writer.write(b"x" * 256 * 1024)
        await writer.abort()

    asyncio.run(scenario())
    assert not s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def test_what_is_not_there_is_a_key_error(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        storage.get(KEY)
    with pytest.raises(KeyError):
        storage.fetch_to(KEY, tmp_path / "x")
    with pytest.raises(KeyError):
        asyncio.run(read(storage, KEY))
    assert not asyncio.run(storage.exists(KEY))


def test_a_documents_objects_are_deleted_together_and_no_others(storage: Storage) -> None:
    for key in (KEY, f"{ID}/pages/1.jpg", f"{ID}/pages/2.jpg", f"{OTHER}/token"):
        storage.put(key, b"x")
    asyncio.run(storage.delete_prefix(ID))
    assert set(asyncio.run(storage.list_ids())) == {OTHER}
    asyncio.run(storage.delete_prefix(ID))
    storage.delete_prefix_sync(OTHER)
    storage.delete_prefix_sync(OTHER)
    assert asyncio.run(storage.list_ids()) == {}


def test_ids_are_listed_with_the_time_of_their_newest_object(storage: Storage) -> None:
    storage.put(KEY, b"x")
    storage.put(f"{ID}/pages/1.jpg", b"x")
    asyncio.run(claim_storage(storage, same))
    listed = asyncio.run(storage.list_ids())
    assert set(listed) == {ID}
    assert abs(datetime.now(UTC) - listed[ID]) < timedelta(minutes=10)


def test_pages_are_copied_to_another_document(storage: Storage) -> None:
    storage.put(KEY, b"original")
    for number in (1, 2):
        storage.put(f"{ID}/pages/{number}.jpg", b"page %d" % number)
    assert storage.copy_prefix(ID, OTHER, "pages") == 2
    storage.delete_prefix_sync(ID)
    assert storage.get(f"{OTHER}/pages/2.jpg") == b"page 2"
    with pytest.raises(KeyError):
        storage.get(f"{OTHER}/token")


def test_a_page_may_be_written_twice_and_the_last_one_counts(storage: Storage) -> None:
    storage.put(f"{ID}/pages/1.jpg", b"first")
    storage.put(f"{ID}/pages/1.jpg", b"second")
    assert storage.get(f"{ID}/pages/1.jpg") == b"second"


def test_only_a_folder_has_local_paths(storage: Storage) -> None:
    storage.put(KEY, b"x")
    path = storage.local_path(KEY)
    assert (path is None) == (storage.kind == "s3")
    assert path is None or path.read_bytes() == b"x"


def test_the_storage_is_marked_once_and_another_database_is_refused(storage: Storage) -> None:
    async def other(_: str) -> str:
        return "another"

    own = asyncio.run(claim_storage(storage, same))
    assert asyncio.run(claim_storage(storage, same)) == own == storage.stored_id()
    with pytest.raises(StorageRefused, match="STORAGE_URL"):
        asyncio.run(claim_storage(storage, other))
    assert storage.stored_id() == own


def test_a_missing_bucket_is_refused_in_words(s3: Any) -> None:
    with pytest.raises(StorageRefused, match="STORAGE_URL"):
        asyncio.run(claim_storage(open_storage("s3://no-such-bucket"), same))


async def same(proposed: str) -> str:
    return proposed
