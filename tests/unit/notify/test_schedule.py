"""When the next attempt is made."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.notify.schedule import HOUR, Schedule, retry_after_s

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
RNG = random.Random(1)


def test_ten_attempts_from_at_once_to_a_day_apart() -> None:
    delays = Schedule().delays_s
    assert len(delays) == 10
    assert (delays[0], delays[-1]) == (0, 24 * HOUR)
    assert list(delays) == sorted(delays)
    assert Schedule().wait_s(10, None, RNG) is None
    assert Schedule().wait_s(9, None, RNG) is not None


def test_waits_are_spread_around_the_plan() -> None:
    waits = {Schedule(delays_s=(0.0, 100.0)).wait_s(1, None, RNG) for _ in range(50)}
    assert len(waits) > 40
    assert all(80 <= wait <= 120 for wait in waits if wait is not None)


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(3.0, 80, 120), (600.0, 600, 600), (1e9, 86_400, 86_400)]
)
def test_retry_after_makes_it_later_never_sooner_and_no_more_than_a_day(
    asked: float, least: float, most: float
) -> None:
    wait = Schedule(delays_s=(0.0, 100.0)).wait_s(1, asked, RNG)
    assert wait is not None
    assert least <= wait <= most


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0),
        ("9" * 400, 999_999_999),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("١٢", None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_both_forms_of_the_header_are_read_and_nothing_else(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after_s(header, NOW) == seconds
