"""Blocking file operations of the disk storage: durable writes, safe removals. Run in threads."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from app.domain.errors import DomainError
from app.storage.base import StorageFull, StorageUnavailable

MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
PART: Final = ".part"
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def explained(error: OSError) -> DomainError:
    """The domain's words for what the file system said."""
    return StorageFull() if error.errno in NO_SPACE else StorageUnavailable()


@contextmanager
def in_our_words() -> Iterator[None]:
    """Turn an OSError of the block into StorageFull or StorageUnavailable."""
    try:
        yield
    except OSError as error:
        raise explained(error) from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_part(path: Path, root: Path) -> tuple[int, Path]:
    """The temporary file beside `path`, its folder made where needed: (descriptor, `up_to` of `seal`).

    Another's removal of the (empty) folder may come between the two steps: then once more.
    """
    for last in (False, False, True):
        up_to = path.parent if path.parent.is_dir() else root
        path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            return os.open(part_of(path), flags, MODE), up_to
        except FileNotFoundError:
            if last:
                raise
    raise AssertionError("unreachable")


def open_to_read(path: Path) -> BinaryIO:
    return path.open("rb")


def part_of(path: Path) -> Path:
    return path.with_name(path.name + PART)


def write_all(descriptor: int, data: bytes) -> None:
    """`os.write` until everything is written."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def seal(descriptor: int, path: Path, up_to: Path) -> None:
    """fsync, rename into place, fsync the folders from the file's to `up_to`, where new names begin.

    Closes the descriptor whatever happens.
    """
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part_of(path).rename(path)
    folder = path.parent
    while True:
        sync_folder(folder)
        if folder == up_to:
            return
        folder = folder.parent


def drop_part(path: Path, root: Path) -> None:
    """Remove the temporary file beside `path`, and its folders up to `root` while they are empty."""
    part_of(path).unlink(missing_ok=True)
    folder = path.parent
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def write_durably(path: Path, data: bytes, root: Path) -> None:
    """A small file, whole or not at all."""
    descriptor, up_to = open_part(path, root)
    try:
        try:
            write_all(descriptor, data)
        except BaseException:
            os.close(descriptor)
            raise
        seal(descriptor, path, up_to)
    except BaseException:
        with suppress(OSError):
            drop_part(path, root)
        raise


def remove_tree(folder: Path) -> None:
    """Remove `folder` and what is in it; fine when it is not there or when others remove it too."""
    for last in (False, False, True):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            if not folder.exists():
                return
        except OSError:
            if last:
                raise
        else:
            return


def newest(folder: Path) -> float:
    """The latest modification time in `folder`, itself included."""
    latest = folder.stat().st_mtime
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                latest = max(latest, (Path(parent) / name).stat().st_mtime)
    return latest
