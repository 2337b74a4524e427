"""Which faults happen when, drawn from the seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

KINDS: Final = (
    "worker_and_horse",
    "horse",
    "parent",
    "freeze",
    "term",
    "valkey_kill",
    "valkey_stop",
    "valkey_hang",
    "valkey_flush",
    "api_kill",
    "mongo_kill",
    "disk_full",
)
FIRST_S: Final = 3.0
"""Documents are under way by then."""
LAST_WORDS_S: Final = 5.0
EVERY_S: Final = 2.4


@dataclass(frozen=True)
class Drawn:
    """A fault that must happen, `at_s` seconds after the start; `seed` decides what is left to chance."""

    kind: str
    at_s: float
    seed: int


def draw(seed: int, seconds: float, kinds: Sequence[str] = KINDS) -> list[Drawn]:
    """Every kind once in a random order, then again, as often as the time allows (at least once)."""
    chance = random.Random(seed)
    time_s = max(0.0, seconds - FIRST_S - LAST_WORDS_S)
    count = max(len(kinds), round(time_s / EVERY_S))
    order: list[str] = []
    while len(order) < count:
        order += chance.sample(list(kinds), len(kinds))
    every_s = time_s / count
    return [
        Drawn(kind, FIRST_S + every_s * (index + chance.random() * 0.5), chance.randrange(2**32))
        for index, kind in enumerate(order[:count])
    ]
