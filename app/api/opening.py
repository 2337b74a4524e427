"""What must be done before the first document: indexes; do storage and database belong together?

MongoDB may be away when the API starts; then this is tried again until it is there, and until then
every request for documents answers 503.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from app.domain.errors import DomainError, Unavailable
from app.storage.base import StorageRefused

FIRST_S: Final = 5.0
PAUSE_S: Final = 1.0
log = structlog.get_logger(__name__)


class Opening:
    """`step` raises StorageRefused (never to be used), or a passing trouble (tried again)."""

    def __init__(self, step: Callable[[], Awaitable[None]], on_refused: Callable[[str], None]) -> None:
        self._step = step
        self._on_refused = on_refused
        self._done = asyncio.Event()
        self.refusal: str | None = None

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def check(self) -> None:
        """Raise Unavailable until the doors are open."""
        if not self.done:
            raise Unavailable()

    async def wait(self) -> None:
        await self._done.wait()

    async def run(self) -> None:
        """Try until it worked or was refused."""
        told = False
        while not self.done:
            try:
                await self._step()
            except StorageRefused as refused:
                self.refusal = str(refused)
                log.critical("storage_refused")
                self._on_refused(self.refusal)
                return
            except (PyMongoError, DomainError, KeyError) as error:
                if not told:
                    log.warning("not_open_yet", error_type=type(error.__cause__ or error).__name__)
                    told = True
                await asyncio.sleep(PAUSE_S)
            else:
                self._done.set()
                log.info("open")
