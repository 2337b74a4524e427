"""The last look at the database, for collectors that may not wait for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from app.domain.figures import Figures

KEEP_S: Final = 5.0
PATIENCE_S: Final = 3.0

log = structlog.get_logger(__name__)


class Snapshot:
    """`figures` and `workers` are None while MongoDB or Valkey cannot be asked."""

    def __init__(
        self, read: Callable[[], Awaitable[Figures]], alive: Callable[[], Awaitable[int | None]]
    ) -> None:
        self._read = read
        self._alive = alive
        self._lock = asyncio.Lock()
        self._looked_at = float("-inf")
        self.figures: Figures | None = None
        self.workers: int | None = None

    async def look(self) -> None:
        """Look again, where the last look is older than KEEP_S. Never raises, never waits long."""
        async with self._lock:
            if time.monotonic() - self._looked_at < KEEP_S:
                return
            self.workers = await self._alive()
            self.figures = await self._figures()
            self._looked_at = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Look every few seconds until `stop`."""
        while not stop.is_set():
            await self.look()
            try:
                await asyncio.wait_for(stop.wait(), KEEP_S)
            except TimeoutError:
                continue

    async def _figures(self) -> Figures | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._read()
        except Exception as error:  # whatever it is: the instruments say that they cannot see
            if self.figures is not None:
                log.warning("figures_not_read", error_type=type(error).__name__)
            return None
