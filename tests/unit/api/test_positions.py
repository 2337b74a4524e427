"""Places in the queue: one count for many askers, and never an old one."""

import asyncio
from datetime import UTC, datetime

import pytest

from app.api.positions import FRESH_S, Positions

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class Queue:
    """Counts how often it is asked; may be away."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.now = 100.0

    async def count(self, _: datetime) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionError
        return self.asked

    def positions(self) -> Positions:
        return Positions(self.count, lambda: self.now)


def test_many_who_ask_at_once_are_answered_by_one_count() -> None:
    async def scenario() -> None:
        queue = Queue()
        positions = queue.positions()
        assert await asyncio.gather(*(positions.before(MOMENT) for _ in range(1_000))) == [1] * 1_000
        queue.now += FRESH_S
        assert await positions.before(MOMENT) == 2

    asyncio.run(scenario())


def test_a_failure_is_told_and_not_kept() -> None:
    async def scenario() -> None:
        queue = Queue()
        positions = queue.positions()
        queue.away = True
        with pytest.raises(ConnectionError):
            await positions.before(MOMENT)
        queue.away = False
        assert await positions.before(MOMENT) == 2

    asyncio.run(scenario())


def test_an_asker_that_leaves_does_not_take_the_answer_away() -> None:
    async def scenario() -> None:
        positions = Queue().positions()
        first = asyncio.create_task(positions.before(MOMENT))
        second = asyncio.create_task(positions.before(MOMENT))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == 1

    asyncio.run(scenario())
