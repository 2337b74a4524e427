"""Who may have how many attempts under way: a slow endpoint fills its own lane and nobody else's."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class LaneLimits:
    """Attempts at the same time in one process."""

    per_lane: int = 4
    per_owner: int = 48
    total: int = 192


class Lanes:
    """Counts what is under way."""

    def __init__(self, limits: LaneLimits) -> None:
        self._limits = limits
        self._lanes: Counter[str] = Counter()
        self._owners: Counter[str] = Counter()

    @property
    def free(self) -> int:
        return self._limits.total - self._lanes.total()

    def take(self, lane: str, owner: str) -> bool:
        """A slot, if lane, owner and process have one left."""
        if (
            self.free <= 0
            or self._lanes[lane] >= self._limits.per_lane
            or self._owners[owner] >= self._limits.per_owner
        ):
            return False
        self._lanes[lane] += 1
        self._owners[owner] += 1
        return True

    def give_back(self, lane: str, owner: str) -> None:
        for counter, key in ((self._lanes, lane), (self._owners, owner)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]

    def full_lanes(self) -> list[str]:
        return [lane for lane, busy in self._lanes.items() if busy >= self._limits.per_lane]

    def full_owners(self) -> list[str]:
        return [owner for owner, busy in self._owners.items() if busy >= self._limits.per_owner]
