"""Whether a worker is alive: asked rarely, told by Valkey or, without it, by the leases."""

import asyncio

import pytest

from app.api.liveness import Liveness


class Asked:
    """Answers the same every time and counts."""

    def __init__(self, answer: int | bool | None) -> None:
        self.answer = answer
        self.times = 0

    async def __call__(self) -> int | bool | None:
        self.times += 1
        return self.answer


@pytest.mark.parametrize(
    ("workers", "working", "alive"),
    [(2, False, True), (0, False, False), (0, True, True), (None, True, True), (None, False, None)],
)
def test_leases_speak_where_valkey_does_not(workers: int | None, working: bool, alive: bool | None) -> None:
    assert asyncio.run(Liveness(Asked(workers), Asked(working)).anyone()) is alive


def test_a_hundred_that_ask_at_once_cost_one_question() -> None:
    workers = Asked(1)

    async def scenario() -> list[bool | None]:
        liveness = Liveness(workers, Asked(False))
        return await asyncio.gather(*(liveness.anyone() for _ in range(100)))

    assert asyncio.run(scenario()) == [True] * 100
    assert workers.times == 1
