"""How others fare while many clients hold slow uploads open: a measurement, by hand.

    python -m tests.support.slow_uploads [CLIENTS] [READS]

Each client sends the beginning of a document and then a byte every few seconds, as slowloris does.
Meanwhile one document is read again and again; its p50 and p99 are printed.
"""

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.support.mazes import plain
from tests.support.raw import BOUNDARY, OPENING, chunk
from tests.support.stack import PATIENCE_S, Stack

CLIENTS: Final = 200
READS: Final = 1000
READERS: Final = 4
DRIP_S: Final = 2.0
SETTINGS: Final = {"READER": "local", "UPLOAD_IDLE_S": "30", "LEASE_S": "30"}
FRESH: Final = httpx.Limits(keepalive_expiry=1)
"""A connection that was idle for longer may be closed by the server just when it is used again."""
HEAD: Final = (
    "POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
).encode()


async def drip(port: int, end: asyncio.Event) -> bool:
    """One slow client; whether its upload was still open at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + chunk(OPENING))
    await writer.drain()
    while not end.is_set():
        writer.write(chunk(b"x"))
        await writer.drain()
        try:
            await asyncio.wait_for(end.wait(), DRIP_S)
        except TimeoutError:
            continue
    still_open = not reader.at_eof()
    writer.transport.abort()
    return still_open


async def read(client: httpx.AsyncClient, path: str, reads: int) -> list[float]:
    """The seconds that each answer took."""
    taken = []
    for _ in range(reads):
        started = time.perf_counter()
        answer = await client.get(path)
        taken.append(time.perf_counter() - started)
        assert answer.status_code == 200, answer.text
        await asyncio.sleep(0.01)
    return taken


async def measured(stack: Stack, path: str, clients: int, reads: int) -> "Figures":
    """What reads took before there were slow uploads, while these began, and while they were held."""
    end = asyncio.Event()
    port = httpx.URL(stack.url).port
    assert port is not None
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, trust_env=False, limits=FRESH) as client:
        before = await read_by_several(client, path, reads)
        slow = [asyncio.create_task(drip(port, end)) for _ in range(clients)]
        begun = asyncio.create_task(until_saving(stack, clients))
        meanwhile: list[float] = []
        while not begun.done():
            meanwhile += await read_by_several(client, path, READERS)
        held = await read_by_several(client, path, reads)
    end.set()
    still = sum(await asyncio.gather(*slow))
    return Figures(before, meanwhile, held, still)


async def until_saving(stack: Stack, clients: int) -> None:
    """Until every slow upload has its record."""
    deadline = time.monotonic() + PATIENCE_S
    while await asyncio.to_thread(stack.files.count_documents, {"status": "saving"}) < clients:
        assert time.monotonic() < deadline, "the slow uploads were not begun"
        await asyncio.sleep(0.2)


async def read_by_several(client: httpx.AsyncClient, path: str, reads: int) -> list[float]:
    of_each = await asyncio.gather(*(read(client, path, reads // READERS) for _ in range(READERS)))
    return [one for taken in of_each for one in taken]


@dataclass(frozen=True)
class Figures:
    """Seconds of each read; and how many uploads were still open at the end."""

    before: list[float]
    beginning: list[float]
    held: list[float]
    still_open: int


def percentile(taken: list[float], share: float) -> float:
    """In milliseconds."""
    return 1000 * sorted(taken)[min(len(taken) - 1, int(len(taken) * share))]


def measure(stack: Stack, clients: int, reads: int) -> Figures:
    """The figures, printed."""
    file_id = stack.upload(plain())
    stack.wait(file_id, "api call done")
    found = asyncio.run(measured(stack, f"/{file_id}", clients, reads))
    for when, taken in (
        ("without slow uploads", found.before),
        (f"while {clients} begin", found.beginning),
        (f"while {found.still_open} are held", found.held),
    ):
        shares = ", ".join(
            f"p{round(share * 100)} {percentile(taken, share):.0f} ms" for share in (0.5, 0.99)
        )
        print(f"{when}: {len(taken)} reads, {shares}, longest {1000 * max(taken):.0f} ms")
    return found


def main() -> None:
    clients, reads = (int(text) for text in [*sys.argv[1:], *map(str, (CLIENTS, READS)[len(sys.argv) - 1 :])])
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(Path(folder), SETTINGS) as stack,
    ):
        measure(stack, clients, reads)


if __name__ == "__main__":
    main()
