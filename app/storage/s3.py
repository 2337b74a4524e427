"""Bytes in an S3 bucket (or what speaks its language), through obstore.

Credentials, region and endpoint come from the AWS_* variables, an instance's role or a container's
role: the library finds them itself, as every AWS tool does (AWS_ENDPOINT_URL names another server).
A rule of the bucket should remove incomplete multipart uploads after a day: a killed process cannot.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from app.storage.base import (
    PREFIX,
    STORAGE_ID,
    StorageRefused,
    StorageUnavailable,
    checked_key,
    checked_prefix,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

PART_SIZE: Final = 5 * 1024 * 1024
PARALLEL_PARTS: Final = 2
BLOCK: Final = 256 * 1024
CLIENT: "Final[ClientConfig]" = {"allow_http": True, "timeout": "30s", "connect_timeout": "3s"}
RETRY: "Final[RetryConfig]" = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}


class _Aborted(Exception):
    """Thrown into the library's upload to make it remove the parts that it has sent."""


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        raise StorageUnavailable() from error


@contextmanager
def _reading(key: str) -> Iterator[None]:
    """`_in_our_words`, where a missing object is a KeyError."""
    with _in_our_words():
        try:
            yield
        except FileNotFoundError:
            raise KeyError(key) from None


class S3Writer:
    """Up to one part is held back: a small object goes in one request, a large one in parts as it comes."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store = store
        self._key = key
        self._buffer = bytearray()
        self._parts: asyncio.Queue[bytes | _Aborted | None] = asyncio.Queue(maxsize=1)
        self._upload: asyncio.Task[Any] | None = None

    async def write(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= PART_SIZE:
            if self._upload is None:
                self._upload = asyncio.create_task(self._send())
            await self._hand_over(bytes(self._buffer))
            self._buffer.clear()

    async def commit(self) -> None:
        rest = bytes(self._buffer)
        self._buffer.clear()
        if self._upload is None:
            with _in_our_words():
                await obstore.put_async(self._store, self._key, rest, use_multipart=False)
            return
        await self._hand_over(rest)
        await self._hand_over(None)
        with _in_our_words():
            await asyncio.shield(self._upload)

    async def abort(self) -> None:
        self._buffer.clear()
        if self._upload is None or self._upload.done():
            return
        upload = self._upload
        while not upload.done():
            with suppress(asyncio.QueueFull):
                self._parts.put_nowait(_Aborted())
            await asyncio.wait({upload}, timeout=0.05)
        upload.exception()  # it was asked for; unread, it would be logged as forgotten

    async def _send(self) -> None:
        await obstore.put_async(
            self._store,
            self._key,
            self._stream(),
            chunk_size=PART_SIZE,
            max_concurrency=PARALLEL_PARTS,
        )

    async def _stream(self) -> AsyncIterator[bytes]:
        while (part := await self._parts.get()) is not None:
            if isinstance(part, _Aborted):
                raise part
            if part:
                yield part

    async def _hand_over(self, part: bytes | None) -> None:
        """Queue a part, unless the upload has ended by itself: then raise why."""
        assert self._upload is not None
        putting = asyncio.ensure_future(self._parts.put(part))
        try:
            await asyncio.wait({putting, self._upload}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not putting.done():
                putting.cancel()
        if self._upload.done() and not (part is None and self._upload.exception() is None):
            with _in_our_words():
                await self._upload
            raise StorageUnavailable()


class S3Storage:
    """`s3://bucket/prefix`: the same keys as on a disk."""

    kind = "s3"

    def __init__(self, url: str) -> None:
        if not urlsplit(url).netloc:
            raise StorageRefused("STORAGE_URL: the bucket is missing, as in s3://bucket/prefix")
        try:
            self._store = S3Store.from_url(url, client_options=CLIENT, retry_config=RETRY)
        except (BaseError, ValueError) as error:
            raise StorageRefused(
                "STORAGE_URL: the bucket cannot be used as it is written, or an AWS_* variable is wrong. "
                "Write s3://bucket/prefix."
            ) from error

    async def writer(self, key: str) -> S3Writer:
        return S3Writer(self._store, checked_key(key))

    async def read(self, key: str) -> AsyncIterator[bytes]:
        with _reading(key):
            answer = await obstore.get_async(self._store, checked_key(key))
            async for block in answer.stream(min_chunk_size=BLOCK):
                yield bytes(block)

    async def exists(self, key: str) -> bool:
        try:
            with _reading(key):
                await obstore.head_async(self._store, checked_key(key))
        except KeyError:
            return False
        return True

    async def delete_prefix(self, prefix: str) -> None:
        await asyncio.to_thread(self.delete_prefix_sync, prefix)

    async def list_ids(self) -> dict[str, datetime]:
        return await asyncio.to_thread(self._list_ids)

    def _list_ids(self) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        with _in_our_words():
            for batch in obstore.list(self._store):
                for item in batch:
                    name = item["path"].split("/", 1)[0]
                    if PREFIX.fullmatch(name):
                        found[name] = max(found.get(name, item["last_modified"]), item["last_modified"])
        return found

    async def check(self) -> None:
        """The bucket answers. (Writing a probe each time would be billed each time.)"""
        with suppress(KeyError), _reading(STORAGE_ID):
            await obstore.head_async(self._store, STORAGE_ID)

    async def claim_id(self, proposed: str) -> tuple[str, bool]:
        stored = await asyncio.to_thread(self.stored_id)
        if stored is not None:
            return stored, False
        with _in_our_words():
            await self._give_id(proposed)
        stored = await asyncio.to_thread(self.stored_id) or proposed
        return stored, stored == proposed

    async def _give_id(self, proposed: str) -> None:
        try:
            await obstore.put_async(self._store, STORAGE_ID, proposed.encode(), mode="create")
        except FileNotFoundError:
            raise StorageRefused("STORAGE_URL: there is no such bucket. Make it first.") from None
        except AlreadyExistsError:
            return

    async def forget_id(self) -> None:
        with _in_our_words():
            await obstore.delete_async(self._store, STORAGE_ID)

    def stored_id(self) -> str | None:
        try:
            with _reading(STORAGE_ID):
                return bytes(obstore.get(self._store, STORAGE_ID).bytes()).decode("ascii").strip() or None
        except KeyError:
            return None

    def put(self, key: str, data: bytes) -> None:
        with _in_our_words():
            obstore.put(self._store, checked_key(key), data)

    def get(self, key: str) -> bytes:
        with _reading(key):
            return bytes(obstore.get(self._store, checked_key(key)).bytes())

    def fetch_to(self, key: str, path: Path) -> None:
        with _reading(key):
            answer = obstore.get(self._store, checked_key(key))
            with path.open("wb") as file:
                for block in answer.stream(min_chunk_size=BLOCK):
                    file.write(block)

    def local_path(self, key: str) -> None:
        """Never a file here: fetch it."""
        checked_key(key)

    def copy_prefix(self, source: str, target: str, folder: str) -> int:
        start = f"{checked_prefix(source)}/{folder}/"
        names = [path.removeprefix(start) for path in self._paths(start)]
        for name in names:
            with _in_our_words():
                obstore.copy(self._store, start + name, checked_key(f"{target}/{folder}/{name}"))
        return len(names)

    def delete_prefix_sync(self, prefix: str) -> None:
        paths = self._paths(checked_prefix(prefix) + "/")
        if paths:
            with _in_our_words():
                obstore.delete(self._store, paths)

    def _paths(self, prefix: str) -> list[str]:
        with _in_our_words():
            return [item["path"] for batch in obstore.list(self._store, prefix) for item in batch]
