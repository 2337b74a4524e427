"""The server's clock, read over a connection that may be slow or away."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from app.db import clock as clock_module
from app.db.clock import ServerClock, server_now

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Time:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    moved = Time()
    monkeypatch.setattr(clock_module, "time", moved)
    return moved


class FakeDatabase:
    """Answers `hello` after `delays` seconds each, or raises."""

    def __init__(self, time: Time, delays: list[float | Exception]) -> None:
        self._time = time
        self._delays = delays
        self.asked = 0

    def command(self, name: str) -> dict[str, Any]:
        assert name == "hello"
        self.asked += 1
        delay = self._delays.pop(0)
        if isinstance(delay, Exception):
            raise delay
        self._time.at += delay
        # The server's time equals the monotonic one, read right before the reply is sent.
        return {"localTime": (NOON + timedelta(seconds=self._time.at - 1000)).replace(tzinfo=None)}


def true_time(time: Time) -> datetime:
    return NOON + timedelta(seconds=time.at - 1000)


def test_time_moves_on_between_questions(time: Time) -> None:
    database, clock = FakeDatabase(time, [0.0]), ServerClock()
    server_now(database, clock)  # type: ignore[arg-type]
    time.at += 30
    assert server_now(database, clock) == true_time(time)  # type: ignore[arg-type]
    assert database.asked == 1


def test_an_old_answer_is_asked_for_again(time: Time) -> None:
    database, clock = FakeDatabase(time, [0.0, 0.0]), ServerClock()
    server_now(database, clock)  # type: ignore[arg-type]
    time.at += 61
    server_now(database, clock)  # type: ignore[arg-type]
    assert database.asked == 2


def test_a_reply_that_took_long_is_not_trusted_when_a_quicker_one_comes(time: Time) -> None:
    database, clock = FakeDatabase(time, [20.0, 0.1]), ServerClock()
    assert abs(server_now(database, clock) - true_time(time)) < timedelta(seconds=0.1)  # type: ignore[arg-type]


def test_the_best_of_only_slow_replies_is_kept(time: Time) -> None:
    database, clock = FakeDatabase(time, [20.0, 2.0, 8.0]), ServerClock()
    assert abs(server_now(database, clock) - true_time(time)) <= timedelta(seconds=1)  # type: ignore[arg-type]
    assert database.asked == 3


@pytest.mark.parametrize("error", [AutoReconnect("gone"), OperationFailure("shutting down", 11600)])
def test_while_the_server_is_away_the_old_reading_goes_on(time: Time, error: Exception) -> None:
    database, clock = FakeDatabase(time, [0.0, error, 0.0]), ServerClock()
    server_now(database, clock)  # type: ignore[arg-type]
    time.at += 100
    assert server_now(database, clock) == true_time(time)  # type: ignore[arg-type]
    assert server_now(database, clock) == true_time(time)  # type: ignore[arg-type]
    assert database.asked == 2, "nobody waits for the server again at every question"
    time.at += 6
    server_now(database, clock)  # type: ignore[arg-type]
    assert database.asked == 3


def test_a_server_never_reached_is_an_error(time: Time) -> None:
    with pytest.raises(AutoReconnect):
        server_now(FakeDatabase(time, [AutoReconnect("gone")]), ServerClock())  # type: ignore[arg-type]


def test_a_clock_never_read_says_so() -> None:
    with pytest.raises(RuntimeError, match="not read yet"):
        ServerClock().now()


def test_times_are_cut_to_what_bson_keeps(time: Time) -> None:
    clock = ServerClock()
    clock.learn(NOON, 1000.0, 1000.0)
    time.at += 0.1239
    assert clock.now() == NOON + timedelta(milliseconds=123)
