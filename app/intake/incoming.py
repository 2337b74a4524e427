"""One document on its way in: its record, its bytes, its place in the queue, and what is undone.

The rule of every undoing: first remove the record if it is still `saving` and ours, and only when it
is certainly not accepted remove the bytes. While that is not known, both stay for the reconciler.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from pymongo.errors import DuplicateKeyError, PyMongoError

from app.db.client import Record
from app.db.collections.batches import Batches
from app.db.collections.files import Files
from app.domain.file import new_id, new_token, original_key
from app.intake.errors import KeyInProgress, UploadInterrupted
from app.intake.file_part import Received
from app.intake.idempotency import refuse_while_saving
from app.intake.quotas import Quotas
from app.storage.base import AsyncWriter, Storage

log = structlog.get_logger()


class House(Protocol):
    """What all documents that come in share; `app.intake.submit.Intake`."""

    files: Files
    batches: Batches
    storage: Storage
    quotas: Quotas
    lease_s: float


@dataclass(frozen=True)
class Sender:
    """Whose it is, and the key under which it may have come before."""

    owner: str
    request_id: str | None = None
    idempotency_key: str | None = None


class Incoming:
    """`first` is set by `open` where the key was used before: then nothing of this one is kept."""

    def __init__(self, house: House, sender: Sender) -> None:
        self.first: Record | None = None
        self._house = house
        self._sender = sender
        self._id = new_id()
        self._token = new_token()
        self._writer: AsyncWriter | None = None
        self._inserting = False
        self._held = False
        self._lost = False

    async def open(self) -> AsyncWriter | None:
        """The record before the first byte; no writer when the key says that this was sent before."""
        if await self._recorded_anew():
            await self._house.quotas.room_for_recorded(self._sender.owner)
            writer = await self._house.storage.writer(original_key(self._id, self._token))
            self._writer = writer
            return _Guarded(self, writer)
        return None

    async def accept(self, received: Received, facts: dict[str, Any]) -> str:
        """Make it durable and queue it; its id. `facts`: what the form wanted, and its batch."""
        assert self._writer is not None
        await self._writer.commit()
        facts = facts | {
            "name": received.name,
            "blob": original_key(self._id, self._token),
            "size": received.size,
            "sha256": received.sha256,
            "content_type": received.content_type,
        }
        if not await self._queue(facts):
            raise UploadInterrupted()
        return str(self._id)

    async def keep_lease(self) -> None:
        """While this process and the upload live; a hung process stops renewing and is buried."""
        while True:
            # Not all at once: clients that began together would be renewed together, and others wait.
            await asyncio.sleep(self._house.lease_s * random.uniform(0.1, 0.3))  # noqa: S311 (no secret)
            if self._held and not self._lost:
                with suppress(PyMongoError):
                    self._lost = not await self._house.files.renew_upload(
                        self._id, self._token, self._house.lease_s
                    )

    async def undo(self) -> None:
        if self._writer is not None:
            await self._writer.abort()
        if not self._inserting:
            return
        files = self._house.files
        try:
            if not await files.discard_upload(self._id, self._token):
                state = await files.state_of(self._id)
                if state is not None and "deleted_at" not in state:
                    return
            await self._house.storage.delete_prefix(str(self._id))
        except Exception as error:
            log.warning("upload_not_undone", file_id=str(self._id), error_type=type(error).__name__)

    async def _recorded_anew(self) -> bool:
        files, sender = self._house.files, self._sender
        for _ in range(3):
            try:
                self._inserting = True
                await files.insert_saving(
                    self._id,
                    self._token,
                    sender.owner,
                    self._house.lease_s,
                    request_id=sender.request_id,
                    idempotency_key=sender.idempotency_key,
                )
                self._held = True
                return True
            except DuplicateKeyError:
                self._inserting = False
                if await self._found_first():
                    return False
        raise KeyInProgress()

    async def _found_first(self) -> bool:
        """Whether the record that holds the key still counts; one whose time is over gives it up."""
        files, owner, key = self._house.files, self._sender.owner, self._sender.idempotency_key
        assert key is not None
        first = await files.find_by_idempotency_key(owner, key)
        if first is None:
            return False
        now = await files.now()
        if first["idempotency_until"] <= now:
            await files.forget_idempotency_key(first["_id"], key, now)
            return False
        refuse_while_saving(first)
        if "batch_id" in first:
            batch = await self._house.batches.find_by_key(owner, key)
            if batch is None:  # it broke off, and nobody was told of it: a new one takes its place
                await files.free_idempotency_key(first["_id"], key)
                return False
            if "total" not in batch:
                raise KeyInProgress()
        self.first = first
        return True

    async def _queue(self, facts: dict[str, Any]) -> bool:
        """saving → queued. A reply that stays lost is looked up once more before anything is undone."""
        try:
            return await self._house.files.accept(self._id, self._token, facts)
        except PyMongoError:
            with suppress(PyMongoError):
                state = await self._house.files.state_of(self._id)
                if state is not None and state.get("accepted_by") == self._token:
                    return True
            raise

    def check(self) -> None:
        """Raise when the record was buried meanwhile: what follows would be written for nobody."""
        if self._lost:
            raise UploadInterrupted()


class _Guarded:
    """The storage's writer, stopped when the upload has lost its record."""

    def __init__(self, upload: Incoming, writer: AsyncWriter) -> None:
        self._upload = upload
        self._writer = writer
        self.commit = writer.commit
        self.abort = writer.abort

    async def write(self, data: bytes) -> None:
        self._upload.check()
        await self._writer.write(data)
