"""What every storage offers, whether a folder or a bucket: `Storage`, and the words its failures use.

Keys are made by `app.domain.file` alone (`{id}/{token}`, `{id}/pages/{n}.jpg`); they are checked all
the same, because a key is also a path.
"""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from app.domain.errors import DomainError

PREFIX: Final = re.compile(r"[0-9a-f]{24}")
KEY: Final = re.compile(r"[0-9a-f]{24}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}){1,3}")
STORAGE_ID: Final = ".storage-id"


class StorageFull(DomainError):
    """No space left; nothing was kept."""

    code = "storage_full"
    retryable = True
    default_message = "The storage is full. Nothing was kept; free some space (STORAGE_URL) and try again."


class StorageUnavailable(DomainError):
    """The folder or the bucket does not answer as it should; nothing was kept."""

    code = "storage_unavailable"
    retryable = True
    default_message = (
        "The storage (STORAGE_URL) cannot be used right now. Nothing was kept; try again in a few seconds."
    )


class StorageRefused(Exception):
    """STORAGE_URL cannot be used by this installation; the text says what to do. Nothing may start."""


class AsyncWriter(Protocol):
    """One object being written; nobody sees it before `commit`."""

    async def write(self, data: bytes) -> None:
        """Take the next bytes (best in blocks of 256 kB and more)."""

    async def commit(self) -> None:
        """Make the object durable and visible; when this returns it survives a crash."""

    async def abort(self) -> None:
        """Leave nothing behind. Harmless after `commit`'s failure, and when repeated."""


class Storage(Protocol):
    """Where bytes live. The API uses the asynchronous half, the worker the other."""

    kind: str

    async def writer(self, key: str) -> AsyncWriter:
        """Begin to write `key`."""

    def read(self, key: str) -> AsyncIterator[bytes]:
        """The object in blocks; raises KeyError at the first when it is not there."""

    async def exists(self, key: str) -> bool:
        """Whether the object is there, whole."""

    async def delete_prefix(self, prefix: str) -> None:
        """Remove everything of the document `prefix` (its id); fine when there is nothing."""

    async def list_ids(self) -> dict[str, datetime]:
        """Every document that has bytes here, with the time of its newest."""

    async def check(self) -> None:
        """Raise StorageFull or StorageUnavailable when nothing could be written now."""

    async def claim_id(self, proposed: str) -> tuple[str, bool]:
        """This storage's own id, and whether `proposed` became it just now because there was none."""

    async def forget_id(self) -> None:
        """Take back an id that `claim_id` has just given."""

    def stored_id(self) -> str | None:
        """This storage's own id, or None while it has none."""

    def put(self, key: str, data: bytes) -> None:
        """Store a small object durably, replacing what was there."""

    def get(self, key: str) -> bytes:
        """The whole object; raises KeyError when it is not there."""

    def fetch_to(self, key: str, path: Path) -> None:
        """Write the object to `path` without holding it in memory; raises KeyError when it is not there."""

    def local_path(self, key: str) -> Path | None:
        """Where the object can be read as a file on this machine, or None where it must be fetched.

        Raises KeyError when it is not there.
        """

    def copy_prefix(self, source: str, target: str, folder: str) -> int:
        """Copy the objects under `{source}/{folder}/` to `{target}/{folder}/`; answers how many."""

    def delete_prefix_sync(self, prefix: str) -> None:
        """`delete_prefix` for a thread."""


def checked_key(key: str) -> str:
    """`key`, or ValueError when it is not one that we make."""
    if not KEY.fullmatch(key):
        raise ValueError(f"not a storage key: {key!r}")
    return key


def checked_prefix(prefix: str) -> str:
    """`prefix`, or ValueError when it is not a document's id."""
    if not PREFIX.fullmatch(prefix):
        raise ValueError(f"not a document's id: {prefix!r}")
    return prefix
