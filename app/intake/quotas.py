"""How much one owner may have at a time: documents that are not finished, and bytes of uploaded files.

Counted in the database, never in a counter of its own that could drift: what is deleted or has ended makes
room at once.
"""

import time
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

from app.db.collections.files import Files
from app.intake.errors import StoredQuotaExceeded, TooManyInFlight

FRESH_S: Final = 5.0
"""So long a sum that leaves room is believed, with what was stored since; a refusal is counted anew."""
OWNERS: Final = 10_000
MEGABYTE: Final = 1024 * 1024


class Quotas:
    """One a process; 0 is no limit. Uploads that end at the same moment may together exceed the bytes."""

    def __init__(
        self,
        files: Files,
        max_in_flight: int = 0,
        max_bytes: int = 0,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._max_in_flight = max_in_flight
        self._max_bytes = max_bytes
        self._timer = timer
        self._sums: LRUCache[str, tuple[int, float]] = LRUCache(OWNERS)

    async def room_for_recorded(self, owner: str) -> None:
        """For the upload whose record is there already: of several at the limit none slips through."""
        await self._in_flight_at_most(owner, self._max_in_flight)

    async def room_for_retry(self, owner: str) -> None:
        """For a document that ended and shall begin again."""
        await self._in_flight_at_most(owner, self._max_in_flight - 1)

    async def room_for_bytes(self, owner: str, size: int) -> None:
        """For a received file that is about to be kept."""
        if not self._max_bytes:
            return
        now = self._timer()
        stored, summed_at = self._sums.get(owner, (0, float("-inf")))
        if now - summed_at > FRESH_S or stored + size > self._max_bytes:
            stored, summed_at = await self._files.stored_bytes(owner), now
        if stored + size > self._max_bytes:
            raise StoredQuotaExceeded(self._max_bytes / MEGABYTE)
        self._sums[owner] = (stored + size, summed_at)

    async def _in_flight_at_most(self, owner: str, most: int) -> None:
        if self._max_in_flight and await self._files.in_flight(owner, most + 1) > most:
            raise TooManyInFlight(self._max_in_flight)
