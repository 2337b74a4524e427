"""The watch: who is told what, when reads are slow and when something breaks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bson import ObjectId

from app.api import watch as watch_module
from app.api.watch import Watch

FILE_ID = ObjectId()
PATIENCE_S = 60.0


class Ears:
    """A listener that hears nothing, and may break a few times first."""

    alive = True

    def __init__(self, breaks: int = 0) -> None:
        self.breaks = breaks

    async def changes(self) -> AsyncIterator[ObjectId | None]:
        if self.breaks:
            self.breaks -= 1
            raise RuntimeError("broken")
        yield FILE_ID
        await asyncio.Event().wait()


class Stored:
    """One record, whose reading can be held up after it was read."""

    def __init__(self) -> None:
        self.revision = 1
        self.reads = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def read(self, ids: list[ObjectId]) -> list[dict[str, Any]]:
        seen = [{"_id": one, "revision": self.revision} for one in ids]
        self.reads += 1
        await self.go_on.wait()
        return seen


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not happened():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(watch: Watch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_who_comes_while_an_older_state_is_being_read_is_not_taken_back_to_it() -> None:
    async def scenario() -> None:
        stored = Stored()
        watch = Watch(Ears(), stored.read, stored.read)
        async with running(watch):
            stored.go_on.clear()
            with watch.on(FILE_ID, 1):
                watch.look_at(FILE_ID)
                await until(lambda: stored.reads > 0)
                stored.revision = 2
                with watch.on(FILE_ID, 2) as late:
                    stored.go_on.set()
                    stored.revision = 3
                    watch.look_at(FILE_ID)
                    assert await late.news(PATIENCE_S)
                    assert late.revision == 3

    run(scenario)


def test_a_listener_that_breaks_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "PAUSE_S", 0.01)

    async def scenario() -> None:
        stored, ears = Stored(), Ears(breaks=2)
        watch = Watch(ears, stored.read, stored.read)
        with watch.on(FILE_ID, 0) as interest:
            async with running(watch):
                assert await interest.news(PATIENCE_S)
                assert (interest.revision, ears.breaks) == (1, 0)

    run(scenario)
