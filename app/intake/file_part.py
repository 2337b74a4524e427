"""One file of a form: cap, signature, SHA-256, straight into the storage in blocks.

Bytes are written only after the first kilobyte has shown the signature, so most refusals write nothing
at all. A file that is refused is still read (and hashed) to its end: another one may follow it.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final, Protocol

from app.domain.errors import DomainError
from app.domain.file import clean_name
from app.domain.webhook_url import Allowed
from app.intake.errors import FileEmpty, FileMissing, FileTooLarge, UnsupportedType
from app.intake.form import Part
from app.storage.base import AsyncWriter

BLOCK: Final = 256 * 1024
HEAD: Final = 1024
SIGNATURE: Final = b"%PDF-"
CONTENT_TYPE: Final = "application/pdf"
FORM_OVERHEAD: Final = 256 * 1024
"""What a body may be larger than its files: boundaries, headers, the other fields."""


@dataclass(frozen=True)
class Limits:
    """How much, how slowly, how many at once, and where a webhook may go."""

    max_mb: float
    idle_s: float
    max_s: float
    webhooks: Allowed = field(default_factory=Allowed)
    max_files: int = 1
    max_batch_mb: float = 0

    @property
    def max_bytes(self) -> int:
        return int(self.max_mb * 1024 * 1024)

    @property
    def max_body(self) -> int:
        batch = int(self.max_batch_mb * 1024 * 1024) if self.max_files > 1 else 0
        return max(self.max_bytes, batch) + FORM_OVERHEAD


@dataclass(frozen=True)
class Received:
    """What one file was."""

    name: str
    size: int
    sha256: str
    content_type: str = CONTENT_TYPE


class Opens(Protocol):
    """Who keeps it, as far as one file needs."""

    async def open(self) -> AsyncWriter | None: ...

    async def drop(self) -> None: ...


class FilePart:
    """The state of one file between chunks. `fault` says why it is not taken, once that is known."""

    def __init__(
        self, part: Part, limits: Limits, keeper: Opens, bearable: tuple[type[DomainError], ...]
    ) -> None:
        self.part = part
        self.fault: DomainError | None = None
        self._limits = limits
        self._keeper = keeper
        self._bearable = bearable
        self._writer: AsyncWriter | None = None
        self._opened = False
        self._block = bytearray()
        self._hash = hashlib.sha256()
        self._size = 0

    async def take(self, data: bytes | None) -> None:
        """More of it, or None at its end. Raises what must end the whole request."""
        if data is not None:
            self._size += len(data)
            self._hash.update(data)
        if self.fault is not None:
            self._be_brief()
            return
        self._block += data or b""
        try:
            await self._advance(ended=data is None)
        except self._bearable as fault:
            assert isinstance(fault, DomainError)
            self.fault = fault
            self._block.clear()
            await self._keeper.drop()

    def received(self) -> Received:
        return Received(clean_name(self.part.filename), self._size, self._hash.hexdigest())

    def _be_brief(self) -> None:
        """A refused file is read on for the sake of the next one, but not for ever."""
        if self._size > 2 * self._limits.max_bytes and self.fault is not None:
            raise self.fault

    async def _advance(self, ended: bool) -> None:
        """Check the head once it is there; write whole blocks, and at the end what is left."""
        if self._size > self._limits.max_bytes:
            raise FileTooLarge(self._limits.max_mb)
        if ended and self._size == 0:
            raise FileEmpty() if self.part.filename else FileMissing()
        if not self._opened and self._size and (ended or len(self._block) >= HEAD):
            if SIGNATURE not in self._block[:HEAD]:
                raise UnsupportedType()
            self._opened = True
            self._writer = await self._keeper.open()
        if self._opened and self._block and (ended or len(self._block) >= BLOCK):
            block = bytes(self._block)
            self._block.clear()
            if self._writer is not None:
                await self._writer.write(block)
