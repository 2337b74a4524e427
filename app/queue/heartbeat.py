"""Keeps the lease alive while a work-horse works, and watches the time that it has left to stop."""

import contextvars
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from app.queue.hold import Holding

LOOK_S: Final = 0.2
TRY_AGAIN_S: Final = 1.0
END_WAIT_S: Final = 1.0

log = structlog.get_logger(__name__)


class Heartbeat:
    """A thread that renews every quarter of a lease until the job's deadline.

    It ends there, so that a hung main thread loses its lease. `renew` answers False when the record is
    no longer ours; `abandon` is called once, when the grace after a request to stop is over.
    """

    def __init__(
        self, holding: Holding, renew: Callable[[], bool], abandon: Callable[[], None], grace_s: float
    ) -> None:
        self._holding = holding
        self._renew = renew
        self._abandon = abandon
        self._grace_s = grace_s
        self._ended = threading.Event()
        context = contextvars.copy_context()  # so that its log lines name the document
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(END_WAIT_S)  # it may be waiting for a database that hangs

    def beat(self) -> bool:
        """Renew now; False when the hold was lost. Raises PyMongoError while the database is away."""
        asked_at = time.monotonic()
        if self._renew():
            self._holding.renewed(asked_at)
            return True
        self._holding.lose()
        return False

    def _run(self) -> None:
        every_s = self._holding.lease_s / 4
        due = time.monotonic() + every_s
        told = False
        while not self._ended.wait(min(LOOK_S, every_s)):
            if self._holding.lost or self._holding.over():
                return
            if self._holding.stop.asked and not told:
                told = True  # here and not in the signal's handler, which may interrupt a log line
                log.info("asked_to_stop")
            if self._holding.stop.grace_over(self._grace_s):
                self._abandon()
                return
            if time.monotonic() >= due:
                due = time.monotonic() + (every_s if self._tried() else min(TRY_AGAIN_S, every_s))

    def _tried(self) -> bool:
        try:
            return self.beat()
        except PyMongoError as error:
            log.warning("heartbeat_failed", error_type=type(error).__name__)
            return False
