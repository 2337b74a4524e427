"""Points in time as an operator types them."""

from datetime import UTC, datetime, timedelta

import pytest

from app.cli.moments import parse_moment, parse_while

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("2w", NOW + timedelta(weeks=2)),
        ("2030-12-31", datetime(2030, 12, 31, tzinfo=UTC)),
        ("2030-12-31T18:00Z", datetime(2030, 12, 31, 18, tzinfo=UTC)),
        ("2030-12-31T18:00+02:00", datetime(2030, 12, 31, 16, tzinfo=UTC)),
    ],
)
def test_a_while_a_date_or_a_moment(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "soon", "2029-12-31", "0d", "30", "-1d", "1y", "2030-13-01"])
def test_what_is_over_or_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="90d"):
        parse_moment(text, NOW)


def test_a_length_of_time_may_be_none_at_all() -> None:
    assert parse_while("0s") == timedelta(0)
    with pytest.raises(ValueError, match="12h"):
        parse_while("a day")
