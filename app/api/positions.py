"""How many documents stand before one in the queue: counted once for all who ask within a second."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

FRESH_S: Final = 1.0


class Positions:
    """`count` asks the database. Many clients may wait for one document, and come back at the same time."""

    def __init__(
        self, count: Callable[[datetime], Awaitable[int]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._clock = clock
        self._asked: dict[datetime, tuple[float, asyncio.Task[int]]] = {}

    async def before(self, queued_at: datetime) -> int:
        """Raises what `count` raises; the next one then asks again."""
        self._forget()
        asked = self._asked.get(queued_at)
        if asked is None or _failed(asked[1]):
            asked = (self._clock(), asyncio.create_task(self._counted(queued_at)))
            self._asked[queued_at] = asked
        # Shielded: a client that leaves must not take the answer from the others.
        return await asyncio.shield(asked[1])

    async def _counted(self, queued_at: datetime) -> int:
        return await self._count(queued_at)

    def _forget(self) -> None:
        """What is no longer fresh; a dict keeps the oldest first."""
        since = self._clock() - FRESH_S
        while self._asked:
            oldest = next(iter(self._asked))
            if self._asked[oldest][0] > since:
                return
            del self._asked[oldest]


def _failed(task: asyncio.Task[int]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
