"""The doors open when the stores are there, and never for another database's storage."""

import asyncio

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from app.api.opening import Opening
from app.domain.errors import Unavailable
from app.storage.base import StorageRefused


def test_an_absent_database_is_waited_for() -> None:
    troubles = [ServerSelectionTimeoutError("away")]

    async def step() -> None:
        if troubles:
            raise troubles.pop()

    async def scenario() -> None:
        opening = Opening(step, pytest.fail)
        with pytest.raises(Unavailable):
            opening.check()
        await opening.run()
        opening.check()

    asyncio.run(scenario())


def test_a_refused_storage_is_told_and_never_tried_again() -> None:
    told: list[str] = []
    tries = 0

    async def step() -> None:
        nonlocal tries
        tries += 1
        raise StorageRefused("STORAGE_URL: not ours")

    async def scenario() -> None:
        opening = Opening(step, told.append)
        await opening.run()
        assert not opening.done
        assert opening.refusal == "STORAGE_URL: not ours"

    asyncio.run(scenario())
    assert told == ["STORAGE_URL: not ours"]
    assert tries == 1
