"""When a delivery is tried again: ten attempts from at once to a day apart, or as the receiver asks."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MINUTE = 60.0
HOUR = 3600.0


@dataclass(frozen=True)
class Schedule:
    """`delays_s[n]` is the wait before attempt n + 1, give or take `jitter` of it."""

    delays_s: tuple[float, ...] = (
        0.0,
        5.0,
        30.0,
        2 * MINUTE,
        10 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        5 * HOUR,
        12 * HOUR,
        24 * HOUR,
    )
    jitter: float = 0.2
    longest_s: float = 24 * HOUR

    def wait_s(self, made: int, retry_after_s: float | None, rng: random.Random) -> float | None:
        """Seconds until the next attempt after `made` of them; None when there is none.

        `Retry-After` can only make it later, and not later than a day.
        """
        if made >= len(self.delays_s):
            return None
        planned = self.delays_s[made] * rng.uniform(1 - self.jitter, 1 + self.jitter)
        return min(max(planned, retry_after_s or 0.0), self.longest_s)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """The seconds that a `Retry-After` header asks for, in either of its forms; None for anything else."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)
