"""All documents of one request, in the order in which they come: one, or with the second a batch.

A batch is made with its first accepted document and closed when the request has ended, well or badly:
what was accepted stays accepted. If this process dies in between, the reconciler closes it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from pymongo.errors import PyMongoError

from app.db.client import Record
from app.domain.errors import DomainError
from app.domain.file import new_id, new_token
from app.intake.errors import KeyReused, UploadInterrupted
from app.intake.fields import Wanted
from app.intake.file_part import Received
from app.intake.idempotency import fingerprint, refuse_other_content
from app.intake.incoming import House, Incoming, Sender
from app.storage.base import AsyncWriter

Start = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
log = structlog.get_logger()


@dataclass(frozen=True)
class Accepted:
    """The answer. `batch_id` is None where one document was sent; `replayed` where it was sent before."""

    file_ids: list[str]
    batch_id: str | None = None
    refused: list[dict[str, str]] = field(default_factory=list)
    replayed: bool = False


class BrokenOff(Exception):
    """A batch ended badly (`__cause__`), or nothing of it was accepted; `so_far` is what became of it."""

    def __init__(self, so_far: Accepted) -> None:
        super().__init__()
        self.so_far = so_far


class Submission:
    """The `Keeper` of one request. `ring` tells the workers of a document of a batch, in the background."""

    def __init__(
        self, house: House, sender: Sender, fresh: bool, start: Start, ring: Callable[[str], None]
    ) -> None:
        self._house = house
        self._sender = sender
        self._fresh = fresh
        self._start = start
        self._ring = ring
        self._current: Incoming | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._first: Record | None = None
        self._is_batch = False
        self._batch: _Batch | None = None
        self._wanted = Wanted()
        self._hashes: list[str] = []
        self._accepted: list[str] = []
        self._refused: list[dict[str, str]] = []
        self._last: tuple[Received, DomainError | None] | None = None

    async def open(self) -> AsyncWriter | None:
        if self._first is not None:
            return None
        sender = self._sender
        if self._accepted:  # the first accepted document holds the key for all
            sender = Sender(sender.owner, sender.request_id)
        self._current = Incoming(self._house, sender)
        self._renewing = self._start(self._current.keep_lease())
        writer = await self._current.open()
        self._first = self._current.first
        return writer

    async def drop(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        current, self._current = self._current, None
        if current is not None:
            await current.undo()

    async def batch(self) -> None:
        self._is_batch = True

    async def keep(self, received: Received, wanted: Wanted) -> None:
        self._wanted, self._last = self._complete(wanted), (received, None)
        if self._first is None:
            assert self._current is not None
            await self._house.quotas.room_for_bytes(self._sender.owner, received.size)
            self._accepted.append(await self._current.accept(received, await self._facts()))
            self._current = None
            if self._renewing is not None:
                self._renewing.cancel()
            if self._is_batch:
                self._ring(self._accepted[-1])
        self._hashes.append(received.sha256)

    async def refuse(self, received: Received, fault: DomainError) -> None:
        self._hashes.append(received.sha256)
        self._last = (received, fault)
        self._refused.append({"name": received.name, "code": fault.code, "message": fault.message})

    async def end(self) -> Accepted:
        """The request has come whole."""
        if self._first is not None:
            return await self._replayed(self._first)
        if not self._is_batch:
            return Accepted(self._accepted)
        if not self._accepted or self._batch is None:
            assert self._last is not None and self._last[1] is not None
            raise self._last[1]
        await self._batch.close(self._accepted, self._refused, self._fingerprint())
        return self.so_far()

    def so_far(self) -> Accepted:
        batch_id = self._batch.id if self._batch is not None and self._accepted else None
        return Accepted(list(self._accepted), batch_id, list(self._refused))

    async def undo(self) -> None:
        """It has broken off: of the document that was coming nothing stays, those before it do."""
        await self.drop()
        if self._batch is not None:
            with suppress(PyMongoError):  # else the reconciler closes it
                await self._batch.close(self._accepted, self._refused, None)

    def stop(self) -> None:
        """Nothing is renewed any more."""
        if self._renewing is not None:
            self._renewing.cancel()
        if self._batch is not None and self._batch.renewing is not None:
            self._batch.renewing.cancel()

    def _complete(self, wanted: Wanted) -> Wanted:
        options = wanted.options | ({"fresh": True} if self._fresh else {})
        return Wanted(options, wanted.metadata, wanted.webhook_url)

    async def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"options": self._wanted.options}
        if self._wanted.metadata:
            facts["metadata"] = self._wanted.metadata
        if self._wanted.webhook_url is not None:
            facts["webhook_url"] = self._wanted.webhook_url
        if self._is_batch:
            if self._batch is None:
                self._batch = await _Batch.made(self._house, self._sender, self._wanted, self._start)
            self._batch.check()
            facts |= {"batch_id": self._batch.id, "batch_n": len(self._hashes)}
        return facts

    async def _replayed(self, first: Record) -> Accepted:
        """Nothing of this request was kept: the answer of the one before, if it was the same."""
        key = self._sender.idempotency_key
        assert key is not None
        batch = await self._house.batches.find_by_key(self._sender.owner, key)
        if not self._is_batch and batch is None:
            assert self._last is not None
            refuse_other_content(first, self._last[0], self._wanted)
            return Accepted([str(first["_id"])], replayed=True)
        if not self._is_batch or batch is None or batch.get("fingerprint") != self._fingerprint():
            raise KeyReused()
        return Accepted(batch["file_ids"], batch["_id"], batch["refused"], replayed=True)

    def _fingerprint(self) -> str:
        return fingerprint(self._hashes, self._wanted)


class _Batch:
    """The batch's record while its request is going on, held by a lease like everything that is."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.id = str(new_id())
        self._token = new_token()
        self._lost = False
        self.renewing: asyncio.Task[None] | None = None

    @classmethod
    async def made(cls, house: House, sender: Sender, wanted: Wanted, start: Start) -> "_Batch":
        batch = cls(house)
        await house.batches.open(
            batch.id,
            batch._token,
            sender.owner,
            house.lease_s,
            webhook_url=wanted.webhook_url,
            idempotency_key=sender.idempotency_key,
        )
        batch.renewing = start(batch._keep_lease())
        return batch

    async def close(self, file_ids: list[str], refused: list[dict[str, str]], content: str | None) -> None:
        """`content` is None where it broke off: then its key is free for another try."""
        if not await self._house.batches.close(self.id, self._token, file_ids, refused, content):
            log.warning("batch_closed_by_another", batch_id=self.id)

    def check(self) -> None:
        if self._lost:
            raise UploadInterrupted()

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(self._house.lease_s / 4)
            with suppress(PyMongoError):
                self._lost = not await self._house.batches.renew(self.id, self._token, self._house.lease_s)
