"""Reads one upload once: cap, signature, SHA-256, straight into the storage in blocks.

Bytes are written only after the first kilobyte has shown the signature, so most refusals
write nothing at all.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from app.domain.file import clean_name
from app.domain.webhook_url import Allowed, parse_webhook_url
from app.intake.errors import (
    FileEmpty,
    FileMissing,
    FileTooLarge,
    TooManyFiles,
    UnknownField,
    UnsupportedType,
    UploadTooSlow,
)
from app.intake.fields import MAX_CHARACTERS, TextFields
from app.intake.form import FormParser, Part
from app.storage.base import AsyncWriter

BLOCK: Final = 256 * 1024
HEAD: Final = 1024
SIGNATURE: Final = b"%PDF-"
FORM_OVERHEAD: Final = 256 * 1024
"""What a body may be larger than its file: boundaries, headers, the other fields."""

Open = Callable[[], Awaitable[AsyncWriter | None]]


@dataclass(frozen=True)
class Limits:
    """How much, how slowly, and where a webhook may go."""

    max_mb: float
    idle_s: float
    max_s: float
    webhooks: Allowed = field(default_factory=Allowed)

    @property
    def max_bytes(self) -> int:
        return int(self.max_mb * 1024 * 1024)

    @property
    def max_body(self) -> int:
        return self.max_bytes + FORM_OVERHEAD


@dataclass(frozen=True)
class Received:
    """What a well-formed upload held."""

    name: str
    size: int
    sha256: str
    content_type: str
    options: dict[str, Any]
    webhook_url: str | None = None


class Reception:
    """The state of one upload between chunks. `open_` is called once, before the first byte is kept."""

    def __init__(self, content_type: str | None, limits: Limits, open_: Open) -> None:
        self._form = FormParser(content_type)
        self._limits = limits
        self._open = open_
        self._writer: AsyncWriter | None = None
        self._file: Part | None = None
        self._file_ended = False
        self._block = bytearray()
        self._opened = False
        self._hash = hashlib.sha256()
        self._body = 0
        self._size = 0
        self._texts = TextFields()

    async def feed(self, chunk: bytes) -> None:
        self._body += len(chunk)
        if self._body > self._limits.max_body:
            raise FileTooLarge(self._limits.max_mb)
        for part, data in self._form.feed(chunk):
            if part.name == "file":
                await self._on_file(part, data)
            elif part.name in MAX_CHARACTERS:
                self._texts.feed(part, data or b"")
            else:
                raise UnknownField(clean_name(part.name)[:64])

    async def finish(self) -> Received:
        """The body has ended: check that all was there, hand over the last block."""
        self._form.finish()
        if self._file is None or (self._size == 0 and not self._file.filename):
            raise FileMissing()
        if self._size == 0:
            raise FileEmpty()
        prompt = self._texts.text("prompt")
        return Received(
            name=clean_name(self._file.filename),
            size=self._size,
            sha256=self._hash.hexdigest(),
            content_type="application/pdf",
            options={"prompt": prompt} if prompt else {},
            webhook_url=self._webhook_url(),
        )

    async def _on_file(self, part: Part, data: bytes | None) -> None:
        if self._file is None:
            self._file = part
        elif part is not self._file:
            raise TooManyFiles()
        if data is not None:
            self._size += len(data)
            if self._size > self._limits.max_bytes:
                raise FileTooLarge(self._limits.max_mb)
            self._block += data
        await self._advance(ended=data is None)

    async def _advance(self, ended: bool) -> None:
        """Check the head once it is there; write whole blocks, and at the end what is left."""
        if not self._opened and self._size and (ended or len(self._block) >= HEAD):
            if SIGNATURE not in self._block[:HEAD]:
                raise UnsupportedType()
            self._opened = True
            self._writer = await self._open()
        if self._opened and self._block and (ended or len(self._block) >= BLOCK):
            block = bytes(self._block)
            self._block.clear()
            self._hash.update(block)
            if self._writer is not None:
                await self._writer.write(block)

    def _webhook_url(self) -> str | None:
        """Refused here if it can never be called; where it leads is judged when it is."""
        url = self._texts.text("webhook_url")
        if not url:
            return None
        parse_webhook_url(url, self._limits.webhooks)
        return url


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
    chunks: AsyncIterator[bytes], content_type: str | None, limits: Limits, open_: Open
) -> Received:
    """The whole of it. Raises a DomainError on anything that is not one good document."""
    reception = Reception(content_type, limits, open_)
    async for chunk in patient(chunks, limits):
        await reception.feed(chunk)
    return await reception.finish()
