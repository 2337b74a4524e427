"""The database server's clock, so that every process judges leases by the same time.

A comparison inside a query (`$$NOW`) would be the plain way, but not every server of this wire
protocol evaluates it there; `hello.localTime` is answered by all.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, OperationFailure

from app.db.apply import interrupted
from app.db.client import Record

REFRESH_S: Final = 60.0
AWAY_S: Final = 5.0
"""For so long nobody asks again when the server could not be asked."""
GOOD_ROUND_TRIP_S: Final = 0.2
TRIES: Final = 3


@dataclass(frozen=True)
class _Reading:
    server: datetime
    here: float
    round_trip: float
    until: float


class ServerClock:
    """The server's time when it was last asked, moved on by this machine's monotonic clock.

    The answer was made somewhere between question and reply; the middle is taken, so that the error
    is half a round trip at most, and a slow reply (a busy loop, a frozen server) is not trusted when
    a quicker one can be had.
    """

    def __init__(self) -> None:
        self._reading: _Reading | None = None

    def known(self) -> bool:
        return self._reading is not None

    def stale(self) -> bool:
        """Whether the server should be asked again before `now` is trusted."""
        return self._reading is None or time.monotonic() > self._reading.until

    def learn(self, local_time: datetime, asked: float, answered: float) -> bool:
        """Take a reading (monotonic seconds); True when it is good enough not to ask again."""
        old, round_trip = self._reading, answered - asked
        if old is None or self.stale() or round_trip <= old.round_trip:
            server = local_time if local_time.tzinfo else local_time.replace(tzinfo=UTC)
            until = answered + REFRESH_S
            self._reading = _Reading(server, (asked + answered) / 2, round_trip, until)
        return round_trip <= GOOD_ROUND_TRIP_S

    def rely_on_old(self) -> None:
        """The server is away: go on with what is known for a moment."""
        old = self._reading
        if old is not None:
            self._reading = _Reading(old.server, old.here, old.round_trip, time.monotonic() + AWAY_S)

    def now(self) -> datetime:
        """The server's time, cut to the milliseconds that BSON keeps."""
        reading = self._reading  # one look: another thread may put a new one there
        if reading is None:
            raise RuntimeError("the database's clock was not read yet: call `now()` of the collection first")
        moment = reading.server + timedelta(seconds=time.monotonic() - reading.here)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def server_now(database: Database[Record], clock: ServerClock) -> datetime:
    """The server's time; asks it when the last answer has grown old, does without while it is away."""
    if clock.stale():
        try:
            for _ in range(TRIES):
                asked = time.monotonic()
                hello = database.command("hello")
                if clock.learn(hello["localTime"], asked, time.monotonic()):
                    break
        except (ConnectionFailure, OperationFailure) as error:
            if not (clock.known() and interrupted(error)):
                raise
            clock.rely_on_old()
    return clock.now()


async def server_now_async(database: AsyncDatabase[Record], clock: ServerClock) -> datetime:
    """`server_now` for an event loop."""
    if clock.stale():
        try:
            for _ in range(TRIES):
                asked = time.monotonic()
                hello = await database.command("hello")
                if clock.learn(hello["localTime"], asked, time.monotonic()):
                    break
        except (ConnectionFailure, OperationFailure) as error:
            if not (clock.known() and interrupted(error)):
                raise
            clock.rely_on_old()
    return clock.now()
