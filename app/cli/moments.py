"""Points in time as people type them: a date, a moment, or a while from now."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

WHILE: Final = re.compile(r"(\d{1,6})([smhdw])")
UNIT: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
EXAMPLES: Final = "Give a while from now (90d, 12h), a date (2030-12-31) or a moment (2030-12-31T18:00Z)."


def parse_while(text: str) -> timedelta:
    """`90d`, `12h`, `30m`, `0s`; raises ValueError with an example."""
    match = WHILE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no length of time. Give one as in 12h or 30d.")
    return timedelta(**{UNIT[match[2]]: int(match[1])})


def parse_moment(text: str, now: datetime) -> datetime:
    """A moment after `now`; what names no time zone is UTC."""
    if WHILE.fullmatch(text.strip()):
        moment = now + parse_while(text)
    else:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise ValueError(f"{text!r} is no point in time. {EXAMPLES}") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= now:
        raise ValueError(f"{text!r} is over already. {EXAMPLES}")
    return moment
