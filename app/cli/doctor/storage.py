"""Where the bytes are: can it be written, is it this database's, how much room is left?"""

import asyncio
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from app.cli.doctor.finding import Finding, Findings, fail, ok, skip, warn
from app.config import SharedSettings
from app.db.client import Record, sync_database
from app.db.collections.work import WorkFiles
from app.domain.errors import DomainError
from app.storage.base import Storage, StorageRefused
from app.storage.open import open_storage, verify_storage

PART: Final = "storage"
SCARCE: Final = 0.05
LEAST_BYTES: Final = 256 * 1024**2
GIB: Final = 1024**3


def look(settings: SharedSettings, client: MongoClient[Record] | None) -> Findings:
    folder = folder_of(settings.storage_url)
    if folder is not None and not folder.exists():
        yield _missing(folder, settings, client)
        return
    try:
        storage = open_storage(settings.storage_url)
    except StorageRefused as error:
        yield fail(PART, str(error), "See .env.example for STORAGE_URL.")
        return
    yield _writable(storage)
    if folder is not None:
        yield space(folder)
    yield _belongs(storage, settings, client)


def _missing(folder: Path, settings: SharedSettings, client: MongoClient[Record] | None) -> Finding:
    try:
        expected = _expected(settings, client) if client is not None else None
    except PyMongoError:
        expected = None
    if expected is not None:
        return fail(
            PART,
            f"the folder {folder} does not exist, and the database knows of documents kept elsewhere",
            "Correct STORAGE_URL (a relative path begins where the command runs), mount the volume, or bring "
            "the folder back from the backup.",
        )
    return warn(
        PART,
        f"the folder {folder} does not exist",
        "Right before the first start, which makes it. Else correct STORAGE_URL: a relative path begins "
        "at the folder in which the command runs.",
    )


def _expected(settings: SharedSettings, client: MongoClient[Record]) -> str | None:
    """The id of the storage that the database belongs to."""
    return WorkFiles(sync_database(client, settings.mongo_db), patience=lambda: 0.0).storage_id()


def folder_of(url: str) -> Path | None:
    """The folder that STORAGE_URL names, None for a bucket."""
    if url.startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    return None if "://" in url else Path(url).expanduser().absolute()


def _writable(storage: Storage) -> Finding:
    try:
        asyncio.run(storage.check())
    except DomainError as error:
        cause = type(error.__cause__).__name__ if error.__cause__ else error.code
        return fail(
            PART,
            f"nothing can be written there ({cause})",
            "A folder: give the service's user the right to write, free some space. A bucket: check its "
            "name, AWS_REGION, AWS_ENDPOINT_URL and the rights of the credentials.",
        )
    return ok(PART, f"can be written ({storage.kind})")


def space(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    text = f"{usage.free / GIB:.1f} GiB free of {usage.total / GIB:.1f}"
    fix = "Free some space, enlarge the disk, or lower RETENTION_DAYS."
    if usage.free < LEAST_BYTES:
        return fail("disk space", text, fix)
    if usage.free < usage.total * SCARCE:
        return warn("disk space", text, fix)
    return ok("disk space", text)


def _belongs(storage: Storage, settings: SharedSettings, client: MongoClient[Record] | None) -> Finding:
    part = "storage id"
    if client is None:
        return skip(part, "cannot be compared without the database")
    try:
        expected, own = _expected(settings, client), storage.stored_id()
        if own is None and expected is None:
            return warn(
                part, "storage and database are both new", "Nothing to do: the API's first start pairs them."
            )
        verify_storage(storage, expected)
    except StorageRefused as error:
        return fail(part, str(error), "Let storage and database be the pair that belongs together.")
    except (PyMongoError, DomainError, OSError) as error:
        return skip(part, f"cannot be compared ({type(error).__name__})")
    return ok(part, "storage and database belong together")
