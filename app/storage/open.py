"""From STORAGE_URL to a `Storage`, and the check that it is the one this database belongs to."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from app.domain.file import new_token
from app.storage.base import Storage, StorageRefused
from app.storage.disk import DiskStorage
from app.storage.s3 import S3Storage

NOT_OURS: Final = (
    "STORAGE_URL: this storage has the id {own}, but the database belongs to the storage {expected}. "
    "Point STORAGE_URL (or MONGO_URL and MONGO_DB) at the pair that belongs together; after moving the "
    "files by hand, take the file .storage-id with them."
)


def open_storage(url: str) -> Storage:
    """The storage that STORAGE_URL names: a folder (a path or file://) or s3://bucket/prefix."""
    if url.startswith("s3://"):
        return S3Storage(url)
    if url.startswith("file://"):
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise StorageRefused(
                f"STORAGE_URL: file:// takes an absolute path, as in file:///{parts.netloc}/…"
            )
        return DiskStorage(Path(unquote(parts.path)))
    if "://" in url:
        scheme = url.split("://", 1)[0]
        raise StorageRefused(f"STORAGE_URL: {scheme}:// is not known. Use a folder or s3://bucket/prefix.")
    return DiskStorage(Path(url).expanduser())


async def claim_storage(storage: Storage, belongs: Callable[[str], Awaitable[str]]) -> str:
    """The id that storage and database share; raises StorageRefused when they do not.

    `belongs` takes a proposed id and answers the one that the database keeps: the proposed one when
    it had none. Two hosts with a disk each would otherwise see the other's documents as lost.
    """
    own, is_new = await storage.claim_id(new_token())
    expected = await belongs(own)
    if own != expected:
        if is_new:
            await storage.forget_id()
        raise StorageRefused(NOT_OURS.format(own="(none yet)" if is_new else own, expected=expected))
    return own


def verify_storage(storage: Storage, expected: str | None) -> None:
    """A worker's check: it never gives an id, it refuses another's (or none)."""
    own = storage.stored_id()
    if own is None or expected is None:
        raise StorageRefused(
            "STORAGE_URL: the storage has not been set up by the API yet, or this is another folder than "
            "the API's. Start the API first, with the same STORAGE_URL and MONGO_URL."
        )
    if own != expected:
        raise StorageRefused(NOT_OURS.format(own=own, expected=expected))
