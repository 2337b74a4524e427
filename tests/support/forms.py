"""Forms as bytes, and a keeper that remembers what came out of them."""

from collections.abc import AsyncIterator

from app.domain.errors import DomainError
from app.intake.fields import Wanted
from app.intake.file_part import Received

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40
BOUNDARY = "frontier"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


class Kept:
    """A keeper, and its writer, that remembers."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.opened = 0
        self.dropped = 0
        self.is_batch = False
        self.received: list[Received] = []
        self.wanted: list[Wanted] = []
        self.refused: list[tuple[str, str]] = []

    async def open(self) -> "Kept":
        self.opened += 1
        return self

    async def drop(self) -> None:
        self.dropped += 1

    async def batch(self) -> None:
        self.is_batch = True

    async def keep(self, received: Received, wanted: Wanted) -> None:
        self.received.append(received)
        self.wanted.append(wanted)

    async def refuse(self, received: Received, fault: DomainError) -> None:
        self.refused.append((received.name, fault.code))

    async def write(self, data: bytes) -> None:
        self.blocks.append(data)

    async def commit(self) -> None: ...

    async def abort(self) -> None: ...


def part(disposition: str, content: bytes, more: str = "") -> bytes:
    return (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n".encode()
        + content
        + b"\r\n"
    )


def a_file(content: bytes = PDF, disposition: str = 'name="file"; filename="resume.pdf"') -> bytes:
    return part(disposition, content, "Content-Type: application/pdf\r\n")


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def in_chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]
