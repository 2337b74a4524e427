"""Names to addresses, once a request, in threads that nobody can use up for everybody else.

The system's resolver cannot be interrupted: a name server that never answers holds a thread for
many seconds. So each lane (an owner) has a few threads at most, a slot is given back only when its
thread is really done, and waiting for one counts against the caller's time.
"""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from app.domain.addresses import Address, parse_address

MAX_ADDRESSES: Final = 16
Lookup = Callable[[str, int], list[str]]


class LookupFailed(Exception):
    """The name has no usable address."""


def system_lookup(host: str, port: int) -> list[str]:
    """What the operating system answers, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Resolver:
    """Bounded look-ups; `lookup` is given by tests, and blocks like the system's."""

    def __init__(self, lookup: Lookup = system_lookup, *, threads: int = 32, per_lane: int = 4) -> None:
        self._lookup = lookup
        self._threads = threads
        self._per_lane = per_lane
        self._busy: Counter[str] = Counter()
        self._freed = asyncio.Event()

    async def resolve(self, host: str, port: int, lane: str, timeout_s: float) -> list[Address]:
        """All addresses of `host`; raises LookupFailed, or TimeoutError after `timeout_s`."""
        literal = parse_address(host)
        if literal is not None:
            return [literal]
        async with asyncio.timeout(timeout_s):
            await self._take_slot(lane)
            texts = await self._start(host, port, lane)
        addresses = [parse_address(text) for text in texts[:MAX_ADDRESSES]]
        usable = [address for address in addresses if address is not None]
        if not usable or len(usable) < len(addresses):
            raise LookupFailed(host)
        return usable

    async def _take_slot(self, lane: str) -> None:
        while self._busy[lane] >= self._per_lane or self._busy.total() >= self._threads:
            await self._freed.wait()
        self._busy[lane] += 1

    def _give_back(self, lane: str) -> None:
        self._busy[lane] -= 1
        if not self._busy[lane]:
            del self._busy[lane]
        self._freed.set()
        self._freed = asyncio.Event()

    def _start(self, host: str, port: int, lane: str) -> asyncio.Future[list[str]]:
        """Look up in a thread of its own, a daemon: a hanging one must not hold up the process's end."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def done(texts: list[str], failed: bool) -> None:
            self._give_back(lane)
            if answer.done():  # the caller's time was over
                return
            if failed:
                answer.set_exception(LookupFailed(host))
            else:
                answer.set_result(texts)

        def look() -> None:
            texts: list[str] = []
            failed = False
            try:
                texts = self._lookup(host, port)
            except (OSError, UnicodeError):
                failed = True
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
                loop.call_soon_threadsafe(done, texts, failed)

        threading.Thread(target=look, name="resolver", daemon=True).start()
        return answer
