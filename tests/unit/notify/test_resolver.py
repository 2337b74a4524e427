"""Look-ups that hang: nobody else waits for them, and threads stay few."""

import asyncio
import threading

import pytest

from app.domain.addresses import parse_address
from app.notify.resolver import LookupFailed, Resolver

pytestmark = pytest.mark.anyio
LONG = 60.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class NameServer:
    """Answers every name, but hangs for those under `dead.example` until released."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.asked: list[str] = []

    def lookup(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host.endswith("dead.example"):
            self.release.wait(LONG)
        return ["1.1.1.1"]

    async def was_asked(self, times: int) -> None:
        """Wait until that many threads came through, and see that there are no more."""
        async with asyncio.timeout(LONG):
            while len(self.asked) < times:
                await asyncio.sleep(0.01)
        assert len(self.asked) == times


async def test_a_dead_name_server_holds_up_its_own_lane_only() -> None:
    server = NameServer()
    resolver = Resolver(server.lookup, threads=4, per_lane=2)
    try:
        for number in range(3):
            with pytest.raises(TimeoutError):
                await resolver.resolve(f"{number}.dead.example", 443, "slow owner", 0.05)
        await server.was_asked(2)  # and not three times: the third never got a thread
        assert await resolver.resolve("fine.example", 443, "other owner", LONG)
    finally:
        server.release.set()
    assert await resolver.resolve("fine.example", 443, "slow owner", LONG), "the slots come back"


async def test_all_lanes_together_have_a_bounded_number_of_threads() -> None:
    server = NameServer()
    resolver = Resolver(server.lookup, threads=3, per_lane=2)
    try:
        attempts = [resolver.resolve("dead.example", 443, f"owner {n}", 0.05) for n in range(10)]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        assert all(isinstance(result, TimeoutError) for result in results)
        await server.was_asked(3)
    finally:
        server.release.set()


async def test_addresses_need_no_look_up() -> None:
    server = NameServer()
    assert await Resolver(server.lookup).resolve("1.2.3.4", 443, "", LONG) == [parse_address("1.2.3.4")]
    assert server.asked == []


@pytest.mark.parametrize("answer", [[], ["fe80::1%eth0"], ["1.1.1.1", "not an address"]])
async def test_an_answer_that_is_not_all_plain_addresses_is_none(answer: list[str]) -> None:
    with pytest.raises(LookupFailed):
        await Resolver(lambda host, port: answer).resolve("odd.example", 443, "", LONG)
