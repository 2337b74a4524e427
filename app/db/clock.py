"""The database server's clock, so that every process judges leases by the same time.

A comparison inside a query (`$$NOW`) would be the plain way, but not every server of this wire
protocol evaluates it there; `hello.localTime` is answered by all.
"""

import time
from datetime import UTC, datetime, timedelta

REFRESH_S = 60.0


class ServerClock:
    """The server's time when it was last asked, moved on by this machine's monotonic clock."""

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._asked = 0.0

    def stale(self) -> bool:
        """Whether the server should be asked again before `now` is trusted."""
        return self._at is None or time.monotonic() - self._asked > REFRESH_S

    def set(self, local_time: datetime, asked_at: float) -> None:
        """The server answered `local_time` to a question sent at `asked_at` (monotonic seconds)."""
        self._at = local_time if local_time.tzinfo else local_time.replace(tzinfo=UTC)
        self._asked = asked_at

    def now(self) -> datetime:
        """The server's time, cut to the milliseconds that BSON keeps."""
        if self._at is None:
            raise RuntimeError(
                "the database's clock was not read yet: call `ready()` of the collection first"
            )
        moment = self._at + timedelta(seconds=time.monotonic() - self._asked)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
