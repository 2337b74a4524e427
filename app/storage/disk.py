"""Bytes in a folder: one host's disk, or one mount that all hosts share."""

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from app.storage.base import PREFIX, STORAGE_ID, StorageRefused, checked_key, checked_prefix
from app.storage.disk_files import (
    FOLDER_MODE,
    PART,
    drop_part,
    explained,
    in_our_words,
    newest,
    open_part,
    open_to_read,
    remove_tree,
    seal,
    write_all,
    write_durably,
)

BLOCK: Final = 256 * 1024
THREADS: Final = 16
T = TypeVar("T")


class DiskWriter:
    """Writes one file in a thread, one block behind the caller, so that receiving and writing overlap."""

    def __init__(self, storage: "DiskStorage", path: Path, part: tuple[int, Path]) -> None:
        self._storage = storage
        self._path = path
        self._descriptor: int | None = part[0]
        self._up_to = part[1]
        self._pending: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        await self._settle()
        if self._descriptor is None:
            raise ValueError("write after commit or abort")
        self._pending = self._storage.start(write_all, self._descriptor, data)

    async def commit(self) -> None:
        await self._settle()
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            raise ValueError("commit after commit or abort")
        await self._storage.run(seal, descriptor, self._path, self._up_to)

    async def abort(self) -> None:
        with suppress(Exception):
            await self._settle()
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        with suppress(Exception):
            await self._storage.run(drop_part, self._path, self._storage.root)

    async def _settle(self) -> None:
        """Wait for the block that is being written. It must end before the descriptor is closed."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            await asyncio.shield(pending)
        except asyncio.CancelledError:
            self._pending = pending
            raise
        except OSError as error:
            raise explained(error) from error


class DiskStorage:
    """`{root}/{id}/{token}` and `{root}/{id}/pages/{n}.jpg`."""

    kind = "disk"

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        except OSError as error:
            raise StorageRefused(
                f"STORAGE_URL: the folder {self.root} cannot be made ({error.strerror}). "
                "Make it, or give the right to write there."
            ) from error
        self._pool: ThreadPoolExecutor | None = None

    def start(self, call: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        """Begin `call` in one of our threads; made at the first use, so that a fork inherits none."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="storage")
        return asyncio.get_running_loop().run_in_executor(self._pool, call, *arguments)

    async def run(self, call: Callable[..., T], *arguments: object) -> T:
        """`call` in one of our threads, its OSError in our words."""
        with in_our_words():
            return await self.start(call, *arguments)

    def path(self, key: str) -> Path:
        return self.root / checked_key(key)

    async def writer(self, key: str) -> DiskWriter:
        path = self.path(key)
        return DiskWriter(self, path, await self.run(open_part, path, self.root))

    async def read(self, key: str) -> AsyncIterator[bytes]:
        try:
            file = await self.start(open_to_read, self.path(key))
        except FileNotFoundError:
            raise KeyError(key) from None
        except OSError as error:
            raise explained(error) from error
        try:
            while block := await self.run(file.read, BLOCK):
                yield block
        finally:
            file.close()

    async def exists(self, key: str) -> bool:
        return await self.run(self.path(key).is_file)

    async def delete_prefix(self, prefix: str) -> None:
        await self.run(remove_tree, self.root / checked_prefix(prefix))

    async def list_ids(self) -> dict[str, datetime]:
        return await self.run(self._list_ids)

    def _list_ids(self) -> dict[str, datetime]:
        found = {}
        for entry in os.scandir(self.root):
            if PREFIX.fullmatch(entry.name):
                with suppress(FileNotFoundError):
                    found[entry.name] = datetime.fromtimestamp(newest(Path(entry.path)), UTC)
        return found

    async def check(self) -> None:
        await self.run(self._check)

    def _check(self) -> None:
        """Write a byte and remove it: a full or read-only disk shows only then."""
        probe = self.root / f".probe-{os.getpid()}-{threading.get_ident()}"
        try:
            probe.write_bytes(b"x")
        finally:
            probe.unlink(missing_ok=True)

    async def claim_id(self, proposed: str) -> tuple[str, bool]:
        return await self.run(self._claim_id, proposed)

    def _claim_id(self, proposed: str) -> tuple[str, bool]:
        """One of several processes that start at once gives the id: `link` fails for all but one."""
        target = self.root / STORAGE_ID
        own = self.root / f"{STORAGE_ID}.{proposed}"
        if (stored := self.stored_id()) is not None:
            return stored, False
        write_durably(own, proposed.encode(), self.root)
        try:
            os.link(own, target)
        except FileExistsError:
            return self.stored_id() or proposed, False
        finally:
            own.unlink(missing_ok=True)
        return proposed, True

    async def forget_id(self) -> None:
        await self.run((self.root / STORAGE_ID).unlink, True)

    def stored_id(self) -> str | None:
        try:
            return (self.root / STORAGE_ID).read_text(encoding="ascii").strip() or None
        except FileNotFoundError:
            return None

    def put(self, key: str, data: bytes) -> None:
        with in_our_words():
            write_durably(self.path(key), data, self.root)

    def get(self, key: str) -> bytes:
        return self.local_path(key).read_bytes()

    def fetch_to(self, key: str, path: Path) -> None:
        shutil.copyfile(self.local_path(key), path)

    def local_path(self, key: str) -> Path:
        path = self.path(key)
        if not path.is_file():
            raise KeyError(key)
        return path

    def copy_prefix(self, source: str, target: str, folder: str) -> int:
        start = self.root / checked_prefix(source) / folder
        copied = 0
        for path in sorted(start.iterdir()) if start.is_dir() else []:
            if not path.name.endswith(PART):
                self.put(f"{target}/{folder}/{path.name}", path.read_bytes())
                copied += 1
        return copied

    def delete_prefix_sync(self, prefix: str) -> None:
        with in_our_words():
            remove_tree(self.root / checked_prefix(prefix))
