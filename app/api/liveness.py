"""Whether any worker is alive, asked of Valkey at most every two seconds, and else of the leases."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

FRESH_S: Final = 2.0


class Liveness:
    """`workers` asks Valkey how many are alive (None: it is away); `working` whether a lease is held now."""

    def __init__(
        self, workers: Callable[[], Awaitable[int | None]], working: Callable[[], Awaitable[bool]]
    ) -> None:
        self._workers = workers
        self._working = working
        self._lock = asyncio.Lock()
        self._answer: bool | None = None
        self._asked_at = float("-inf")

    async def anyone(self) -> bool | None:
        """True, False, or None where nobody can tell."""
        async with self._lock:
            if time.monotonic() - self._asked_at > FRESH_S:
                self._answer = await self._ask()
                self._asked_at = time.monotonic()
            return self._answer

    async def _ask(self) -> bool | None:
        count = await self._workers()
        if count:
            return True
        if await self._working():
            return True
        return None if count is None else False
