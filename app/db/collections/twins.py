"""Documents that wait for the analysis of another: awake as soon as that one has ended without it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from bson import ObjectId
from pymongo.asynchronous.collection import AsyncCollection

from app.db.client import Record
from app.db.transitions import work
from app.db.transitions.change import Change
from app.domain.status import Status

LIMIT: Final = 1_000


def waiting_for(analysis_key: str) -> Record:
    """The filter of those who wait for this analysis."""
    return {"status": str(Status.QUEUED), "waiting_for": work.SAME_DOCUMENT, "same_as": analysis_key}


async def wake_same(
    files: AsyncCollection[Record],
    apply: Callable[[Change], Awaitable[bool]],
    analysis_key: str | None,
    now: datetime,
) -> list[ObjectId]:
    """Let those who waited for this analysis be claimed; answers whose bells to ring."""
    if analysis_key is None:
        return []
    found = await files.find(waiting_for(analysis_key), {"_id": 1}).limit(LIMIT).to_list()
    return [one["_id"] for one in found if await apply(work.look_again(one["_id"], analysis_key, now))]
