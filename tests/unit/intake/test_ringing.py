"""Bells of accepted documents: rung at once, noted together, and only those that were heard."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from bson import ObjectId
from pymongo.errors import AutoReconnect

from app.intake.ringing import Ringing

ONE, TWO, THREE = (ObjectId(bytes([n]) * 12) for n in (1, 2, 3))


class FakeBell:
    """Heard while `epoch` names a life of Valkey."""

    def __init__(self) -> None:
        self.epoch: str | None = "first"

    async def ring_async(self, file_id: str) -> bool:
        return self.epoch is not None

    async def epoch_async(self) -> str | None:
        return self.epoch


class FakeFiles:
    def __init__(self) -> None:
        self.noted: list[tuple[list[ObjectId], str]] = []
        self.away = False

    async def rung(self, file_ids: list[ObjectId], epoch: str) -> int:
        if self.away:
            raise AutoReconnect
        self.noted.append((file_ids, epoch))
        return len(file_ids)


class Scene:
    def __init__(self) -> None:
        self.bell, self.files = FakeBell(), FakeFiles()
        self.tasks: list[asyncio.Task[None]] = []
        self.ringing = Ringing(self.files, self.bell, self._start)  # type: ignore[arg-type]

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def ring(self, *file_ids: ObjectId) -> None:
        for file_id in file_ids:
            await self.ringing.ring(str(file_id))

    async def settle(self) -> None:
        await asyncio.gather(*self.tasks)


def test_what_was_rung_for_in_a_moment_is_noted_in_one_write() -> None:
    async def run(scene: Scene) -> None:
        await scene.ring(ONE, TWO)
        assert scene.files.noted == []
        await scene.settle()
        await scene.ring(THREE)
        await scene.settle()
        assert scene.files.noted == [([ONE, TWO], "first"), ([THREE], "first")]

    asyncio.run(run(Scene()))


def test_a_bell_counts_for_the_life_of_valkey_s_data_in_which_it_was_rung() -> None:
    async def run(scene: Scene) -> None:
        await scene.ring(ONE)
        scene.bell.epoch = "second"
        await scene.ring(TWO)
        await scene.settle()
        assert scene.files.noted == [([ONE], "first"), ([TWO], "second")]

    asyncio.run(run(Scene()))


def test_a_bell_that_nobody_heard_is_not_noted() -> None:
    async def run(scene: Scene) -> None:
        scene.bell.epoch = None
        await scene.ring(ONE)
        assert scene.tasks == []

    asyncio.run(run(Scene()))


def test_a_note_that_cannot_be_written_is_left_to_the_reconciler() -> None:
    async def run(scene: Scene) -> None:
        scene.files.away = True
        await scene.ring(ONE)
        await scene.settle()
        scene.files.away = False
        await scene.ring(TWO)
        await scene.settle()
        assert scene.files.noted == [([TWO], "first")]

    asyncio.run(run(Scene()))
