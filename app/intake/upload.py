"""Reads one form once: the files one after the other, and the fields that hold for all of them.

Whoever keeps documents (`Keeper`) is told what comes; this room knows the form and its limits alone.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from app.domain.errors import DomainError
from app.domain.file import clean_name
from app.intake.errors import (
    BatchTooLarge,
    FieldTooLate,
    FileEmpty,
    FileMissing,
    FileTooLarge,
    StoredQuotaExceeded,
    TooManyFiles,
    TooManyInFlight,
    UnknownField,
    UnsupportedType,
    UploadTooSlow,
)
from app.intake.fields import MAX_CHARACTERS, TextFields, Wanted
from app.intake.file_part import FilePart, Limits, Received
from app.intake.form import FormParser, Part
from app.storage.base import AsyncWriter

FAULTS_OF_ONE: Final = (
    FileEmpty,
    FileMissing,
    FileTooLarge,
    StoredQuotaExceeded,
    TooManyFiles,
    TooManyInFlight,
    UnsupportedType,
)
"""What is wrong with one document of a batch says nothing of the next; all else ends the request."""


class Keeper(Protocol):
    """Who keeps the documents of one form."""

    async def open(self) -> AsyncWriter | None:
        """A document begins, its signature is good; no writer where the same was sent before."""

    async def drop(self) -> None:
        """It is refused after all: leave nothing of it."""

    async def batch(self) -> None:
        """A second file has come: this is a batch."""

    async def keep(self, received: Received, wanted: Wanted) -> None:
        """It has come whole."""

    async def refuse(self, received: Received, fault: DomainError) -> None:
        """One of a batch is not taken; the others are."""


class Reception:
    """The state of one form between chunks."""

    def __init__(self, content_type: str | None, limits: Limits, keeper: Keeper) -> None:
        self._form = FormParser(content_type, limits.max_files)
        self._limits = limits
        self._keeper = keeper
        self._texts = TextFields(limits.webhooks)
        self._wanted: Wanted | None = None
        self._file: FilePart | None = None
        self._files = 0
        self._body = 0

    async def feed(self, chunk: bytes) -> None:
        self._body += len(chunk)
        if self._body > self._limits.max_body:
            raise self._too_large()
        for part, data in self._form.feed(chunk):
            if part.name == "file":
                await self._on_file(part, data)
            elif part.name not in MAX_CHARACTERS:
                raise UnknownField(clean_name(part.name)[:64])
            elif self._files > 1:
                raise FieldTooLate(part.name)
            else:
                self._texts.feed(part, data or b"")

    async def finish(self) -> None:
        """The body has ended: check that all was there, and have a single document kept."""
        if self._files == 1 and self._file is not None and self._file.fault is not None:
            raise self._file.fault
        self._form.finish()
        if self._file is None:
            raise FileMissing()
        if self._files == 1:
            await self._keeper.keep(self._file.received(), self._texts.wanted())

    async def _on_file(self, part: Part, data: bytes | None) -> None:
        if self._file is None or part is not self._file.part:
            await self._begin(part)
        assert self._file is not None
        await self._file.take(data)
        if data is None and self._files > 1:
            await self._hand_over(self._file)

    async def _begin(self, part: Part) -> None:
        """The next file; with the second, what the first is waiting for is known: this is a batch."""
        self._files += 1
        if self._files == 2:
            if self._limits.max_files == 1:
                raise TooManyFiles(1)
            self._wanted = self._texts.wanted()
            await self._keeper.batch()
            if self._file is not None:
                await self._hand_over(self._file)
        self._file = FilePart(part, self._limits, self._keeper, FAULTS_OF_ONE)
        if self._files > self._limits.max_files:
            self._file.fault = TooManyFiles(self._limits.max_files)

    async def _hand_over(self, file: FilePart) -> None:
        """One of a batch, complete."""
        fault = file.fault
        if fault is None:
            assert self._wanted is not None
            try:
                await self._keeper.keep(file.received(), self._wanted)
                return
            except FAULTS_OF_ONE as late:
                await self._keeper.drop()
                fault = late
        await self._keeper.refuse(file.received(), FileEmpty() if isinstance(fault, FileMissing) else fault)

    def _too_large(self) -> DomainError:
        if self._files > 1:
            return BatchTooLarge(self._limits.max_batch_mb)
        return FileTooLarge(self._limits.max_mb)


async def patient(chunks: AsyncIterator[bytes], limits: Limits) -> AsyncIterator[bytes]:
    """`chunks`, until one takes longer than `idle_s` or all of them longer than `max_s`."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + limits.max_s
    while True:
        patience = min(limits.idle_s, deadline - clock())
        if patience <= 0:
            raise UploadTooSlow()
        try:
            async with asyncio.timeout(patience):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise UploadTooSlow() from None
        yield chunk


async def receive(
    chunks: AsyncIterator[bytes], content_type: str | None, limits: Limits, keeper: Keeper
) -> None:
    """The whole of it. Raises a DomainError on anything that is not one good document, or a batch."""
    reception = Reception(content_type, limits, keeper)
    async for chunk in patient(chunks, limits):
        await reception.feed(chunk)
    await reception.finish()
