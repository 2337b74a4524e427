"""Runs a `Change` and knows, through lost replies, whether it landed: the two thin executors.

A reply can be lost after the write was stored. The change is then repeated (its filter makes that
harmless) and, when the repeat matches nothing, the record is read back: `Change.landed` decides.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, OperationFailure, WriteConcernError

from app.db.client import Record
from app.db.transitions.change import Change

PAUSE_S: Final = 0.25
T = TypeVar("T")
INTERRUPTED: Final = (ConnectionFailure, WriteConcernError)
GOING_AWAY: Final = frozenset({11600, 11602, 10107, 13435, 91, 189, 89})
"""Server codes for "I am shutting down" or "I am no longer the primary": as good as a lost reply."""


def interrupted(error: Exception) -> bool:
    """Whether `error` leaves open if the command ran: the server was away or went away."""
    if isinstance(error, INTERRUPTED):
        return True
    return isinstance(error, OperationFailure) and error.code in GOING_AWAY


def apply(files: Collection[Record], change: Change, patience_s: float = 10.0) -> bool:
    """Run `change`; True when it is stored. Waits out an outage for `patience_s`, then raises."""
    deadline = time.monotonic() + patience_s
    in_doubt = False
    while True:
        try:
            if files.update_one(change.filter, change.update, **change.options).matched_count:
                return True
            return in_doubt and files.count_documents(change.landed, limit=1) == 1
        except (ConnectionFailure, OperationFailure) as error:
            if not interrupted(error) or time.monotonic() >= deadline:
                raise
            in_doubt = True
            time.sleep(PAUSE_S)


def patiently(question: Callable[[], T], patience_s: float) -> T:
    """The answer to a read, asked again through an outage of up to `patience_s`."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return question()
        except (ConnectionFailure, OperationFailure) as error:
            if not interrupted(error) or time.monotonic() >= deadline:
                raise
            time.sleep(PAUSE_S)


async def apply_async(files: AsyncCollection[Record], change: Change, patience_s: float = 3.0) -> bool:
    """`apply` for an event loop."""
    deadline = time.monotonic() + patience_s
    in_doubt = False
    while True:
        try:
            if (await files.update_one(change.filter, change.update, **change.options)).matched_count:
                return True
            return in_doubt and await files.count_documents(change.landed, limit=1) == 1
        except (ConnectionFailure, OperationFailure) as error:
            if not interrupted(error) or time.monotonic() >= deadline:
                raise
            in_doubt = True
            await asyncio.sleep(PAUSE_S)
