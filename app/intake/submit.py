"""Step 1: record → store → queued → ring, in this order, and what is undone when it breaks off.

The rule of every undoing: first remove the record if it is still `saving` and ours, and only when it
is certainly not accepted remove the bytes. While that is not known, both stay for the reconciler.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from bson import ObjectId
from pymongo.errors import DuplicateKeyError, PyMongoError

from app.db.client import Record
from app.db.collections.files import Files
from app.domain.file import new_id, new_token, original_key
from app.intake.errors import KeyInProgress, UploadInterrupted
from app.intake.idempotency import refuse_other_content, refuse_while_saving
from app.intake.quotas import Quotas
from app.intake.upload import Limits, Received, receive
from app.storage.base import AsyncWriter, Storage

log = structlog.get_logger()


class Bell(Protocol):
    """The part of the doorbell that step 1 needs; it never raises."""

    async def ring_async(self, file_id: str) -> bool: ...

    async def epoch_async(self) -> str | None: ...


@dataclass(frozen=True)
class Wish:
    """One request to accept a document."""

    chunks: AsyncIterator[bytes]
    content_type: str | None
    owner: str
    request_id: str | None = None
    idempotency_key: str | None = None
    """Hashed already."""
    fresh: bool = False


@dataclass(frozen=True)
class Accepted:
    """The answer: a new document, or the one that the same key had brought before."""

    file_id: str
    replayed: bool = False


class Intake:
    """Accepts documents; one a process."""

    def __init__(
        self,
        files: Files,
        storage: Storage,
        bell: Bell,
        lease_s: float,
        limits: Limits,
        quotas: Quotas | None = None,
    ) -> None:
        self.files = files
        self.quotas = quotas or Quotas(files)
        self.storage = storage
        self.limits = limits
        self.lease_s = lease_s
        self._bell = bell
        self._running: set[asyncio.Task[Any]] = set()

    async def accept(self, wish: Wish) -> Accepted:
        """Receive, store and queue one document; raises a DomainError and leaves nothing otherwise."""
        upload = _Upload(self, wish)
        renewing = self._start(upload.keep_lease())
        try:
            return await upload.run()
        except BaseException:
            await self._undo(upload)
            raise
        finally:
            renewing.cancel()

    async def ring(self, file_id: str) -> None:
        """Tell a worker, best effort: the reconciler rings for whatever this misses."""
        if not await self._bell.ring_async(file_id):
            return
        epoch = await self._bell.epoch_async()
        if epoch is not None:
            with suppress(PyMongoError):
                await self.files.rung(ObjectId(file_id), epoch)

    async def settle(self, patience_s: float) -> None:
        """Wait until no upload is going on or being undone: before the database's connection is closed."""
        deadline = time.monotonic() + patience_s
        while self._running and time.monotonic() < deadline:
            await asyncio.wait(set(self._running), timeout=deadline - time.monotonic())

    async def _undo(self, upload: "_Upload") -> None:
        """To the end, also when the request's own task is being cancelled."""
        await asyncio.shield(self._start(upload.undo()))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task


class _Upload:
    """One document on its way in."""

    def __init__(self, intake: Intake, wish: Wish) -> None:
        self._intake = intake
        self._wish = wish
        self._id = new_id()
        self._token = new_token()
        self._writer: AsyncWriter | None = None
        self._first: Record | None = None
        self._inserting = False
        self._held = False
        self._lost = False

    async def run(self) -> Accepted:
        wish = self._wish
        received = await receive(wish.chunks, wish.content_type, self._intake.limits, self._open)
        options = received.options | ({"fresh": True} if wish.fresh else {})
        if self._first is not None:
            refuse_other_content(self._first, received, options)
            return Accepted(str(self._first["_id"]), replayed=True)
        assert self._writer is not None
        await self._intake.quotas.room_for_bytes(wish.owner, received.size)
        await self._writer.commit()
        if not await self._queue(received, options):
            raise UploadInterrupted()
        return Accepted(str(self._id))

    async def keep_lease(self) -> None:
        """While this process and the upload live; a hung process stops renewing and is buried."""
        while True:
            await asyncio.sleep(self._intake.lease_s / 4)
            if self._held and not self._lost:
                with suppress(PyMongoError):
                    self._lost = not await self._intake.files.renew_upload(
                        self._id, self._token, self._intake.lease_s
                    )

    async def undo(self) -> None:
        if self._writer is not None:
            await self._writer.abort()
        if not self._inserting:
            return
        files = self._intake.files
        try:
            if not await files.discard_upload(self._id, self._token):
                state = await files.state_of(self._id)
                if state is not None and "deleted_at" not in state:
                    return
            await self._intake.storage.delete_prefix(str(self._id))
        except Exception as error:
            log.warning("upload_not_undone", file_id=str(self._id), error_type=type(error).__name__)

    async def _open(self) -> AsyncWriter | None:
        """The record before the first byte; no writer when the key says that this was sent before."""
        if await self._recorded_anew():
            await self._intake.quotas.room_for_recorded(self._wish.owner)
            writer = await self._intake.storage.writer(original_key(self._id, self._token))
            self._writer = writer
            return _Guarded(self, writer)
        return None

    async def _recorded_anew(self) -> bool:
        files, wish = self._intake.files, self._wish
        for _ in range(3):
            try:
                self._inserting = True
                await files.insert_saving(
                    self._id,
                    self._token,
                    wish.owner,
                    self._intake.lease_s,
                    request_id=wish.request_id,
                    idempotency_key=wish.idempotency_key,
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
        files, key = self._intake.files, self._wish.idempotency_key
        assert key is not None
        first = await files.find_by_idempotency_key(self._wish.owner, key)
        if first is None:
            return False
        now = await files.now()
        if first["idempotency_until"] <= now:
            await files.forget_idempotency_key(first["_id"], key, now)
            return False
        refuse_while_saving(first)
        self._first = first
        return True

    async def _queue(self, received: Received, options: dict[str, Any]) -> bool:
        """saving → queued. A reply that stays lost is looked up once more before anything is undone."""
        facts = {
            "name": received.name,
            "blob": original_key(self._id, self._token),
            "size": received.size,
            "sha256": received.sha256,
            "content_type": received.content_type,
            "options": options,
        }
        if received.webhook_url is not None:
            facts["webhook_url"] = received.webhook_url
        try:
            return await self._intake.files.accept(self._id, self._token, facts)
        except PyMongoError:
            with suppress(PyMongoError):
                state = await self._intake.files.state_of(self._id)
                if state is not None and state.get("accepted_by") == self._token:
                    return True
            raise

    def check(self) -> None:
        """Raise when the record was buried meanwhile: what follows would be written for nobody."""
        if self._lost:
            raise UploadInterrupted()


class _Guarded:
    """The storage's writer, stopped when the upload has lost its record."""

    def __init__(self, upload: _Upload, writer: AsyncWriter) -> None:
        self._upload = upload
        self._writer = writer
        self.commit = writer.commit
        self.abort = writer.abort

    async def write(self, data: bytes) -> None:
        self._upload.check()
        await self._writer.write(data)
