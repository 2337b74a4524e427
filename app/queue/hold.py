"""The work-horse's hold on one record: its token, whether it is still good, and how long there is left."""

import threading
import time
from collections.abc import Callable

from app.db.transitions.work import Hold
from app.domain.errors import HandBack, LostClaim, TransientFailure
from app.queue.stop import Stop


class TookTooLong(TransientFailure):
    """The job's deadline has come."""

    code = "job_timeout"
    default_message = (
        "The document took longer than JOB_TIMEOUT_S; it is tried again and goes on where it stopped. If "
        "it stays so, raise JOB_TIMEOUT_S."
    )


class Holding:
    """Shared by the main thread, the reader's threads and the heartbeat. Times are monotonic seconds.

    The monotonic clock goes on while a process is frozen: after a SIGSTOP the hold is no longer fresh.
    """

    def __init__(
        self,
        hold: Hold,
        lease_s: float,
        time_s: float,
        stop: Stop,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hold = hold
        self.lease_s = lease_s
        self.stop = stop
        self.saved_answers = 0
        self._clock = clock
        self._deadline = clock() + time_s
        self._renewed_at = clock()
        self._lost = threading.Event()

    @property
    def token(self) -> str:
        return self.hold.token

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    def lose(self) -> None:
        """The record is somebody else's (or nobody's) now; nothing brings it back."""
        self._lost.set()

    def time_left(self) -> float:
        return max(0.0, self._deadline - self._clock())

    def over(self) -> bool:
        return self.time_left() <= 0

    def renewed(self, asked_at: float) -> None:
        """The lease was renewed by a question sent at `asked_at`; it counts from the question."""
        self._renewed_at = max(self._renewed_at, asked_at)

    def fresh(self) -> bool:
        """Whether nobody can have taken the record: the last renewal is younger than half a lease."""
        return self._clock() - self._renewed_at < self.lease_s / 2

    def still_held(self) -> None:
        """Raises LostClaim."""
        if self.lost:
            raise LostClaim

    def check(self) -> None:
        """Raises LostClaim, HandBack (asked to stop) or TookTooLong: no further step may begin."""
        self.still_held()
        if self.stop.asked:
            raise HandBack
        if self.over():
            raise self.too_long()

    def too_long(self) -> TookTooLong:
        """An attempt that has got on is not counted: a long document may take several."""
        return TookTooLong(costs_attempt=self.saved_answers == 0)
