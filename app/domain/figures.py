"""What the database knows about the whole service, at one moment: figures for the instruments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

STAGES: Final = ("wait", "render", "analyse", "total")
"""Due until claimed; claimed until all pages are stored; from there to the end; accepted until done."""
BOUNDS_MS: Final = (
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 900_000, 3_600_000,
)  # fmt: skip
BEYOND: Final = "beyond"
"""The bucket above the last bound."""
RECENT_S: Final = 600
"""What "recently ended" means."""


def bucket_of(seconds: float) -> str:
    """The name of the bucket that a duration falls into: its upper bound in milliseconds."""
    return next((str(bound) for bound in BOUNDS_MS if seconds * 1000 <= bound), BEYOND)


@dataclass(frozen=True)
class Durations:
    """How long a stage took, over all attempts that went through it."""

    sum_s: float = 0.0
    buckets: Mapping[str, int] = field(default_factory=dict)
    """By `bucket_of`; each duration is in one of them."""

    @property
    def count(self) -> int:
        return sum(self.buckets.values())


@dataclass(frozen=True)
class Tallies:
    """What ended attempts have added up to since the database was made."""

    attempts: Mapping[str, int] = field(default_factory=dict)
    """By outcome."""
    retries: Mapping[str, int] = field(default_factory=dict)
    """By the code of the failure that made another attempt necessary."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """Calls of the model: `ok`, or the code of the failure."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    pages: int = 0
    stages: Mapping[str, Durations] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """Counts of the moment; ages in seconds by the database's clock."""

    documents: Mapping[str, int]
    """By status."""
    ended_recently: Mapping[str, int]
    """Within RECENT_S, by terminal status."""
    waiting_for: Mapping[str, int]
    """Queued documents by what keeps them, where it is not merely their turn."""
    due: int
    oldest_due_s: float
    stuck: int
    """In somebody's hands whose lease is long over, and nobody took them back."""
    events_waiting: int
    """Ends of documents that were not handed on to deliveries yet."""
    deliveries: Mapping[str, int]
    """By state; `retrying` and `late` are part of `pending`."""
    batches: Mapping[str, int]
    tallies: Tallies = field(default_factory=Tallies)
