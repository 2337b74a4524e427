"""How often a caller may ask: one count for uploads, one for everything else, kept in Valkey.

With Valkey away reads pass, and uploads are counted in this process alone. Answers tell the policy and
what is left of it (the RateLimit fields of the IETF's draft 10).
"""

import math
import time
from dataclasses import dataclass
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis

from app.domain.errors import DomainError
from app.queue.valkey import Valkey

UPLOADS: Final = "uploads"
READS: Final = "reads"
PREFIX: Final = "full-rag:limit"
SETTING: Final = {UPLOADS: "RATE_LIMIT_UPLOADS", READS: "RATE_LIMIT_READS"}


class RateLimited(DomainError):
    """`headers` tell when to come again."""

    code = "rate_limited"
    retryable = True

    def __init__(self, policy: str, rate: str, headers: dict[str, str]) -> None:
        super().__init__(
            f"Too many requests: this server allows {rate} ({SETTING[policy]}). "
            f"Try again in {headers['retry-after']} s."
        )
        self.headers = headers


@dataclass(frozen=True)
class Verdict:
    """What the count said about one request."""

    allowed: bool
    remaining: int
    reset_s: int


class Limiter:
    """One a process. `who` is a key's id or a client's address; a rate of None is no limit."""

    def __init__(self, valkey: Valkey, uploads: str | None, reads: str | None) -> None:
        self._valkey = valkey
        rates = {UPLOADS: uploads, READS: reads}
        self._rates = {policy: rate for policy, rate in rates.items() if rate is not None}
        self._items = {policy: parse(rate) for policy, rate in self._rates.items()}
        self._shared: SlidingWindowCounterRateLimiter | None = None
        self._own: SlidingWindowCounterRateLimiter | None = None

    async def admit(self, policy: str, who: str) -> dict[str, str]:
        """Count one request; the headers of its answer. Raises RateLimited."""
        item = self._items.get(policy)
        if item is None:
            return {}
        headers = {"ratelimit-policy": f'"{policy}";q={item.amount};w={item.get_expiry()}'}
        verdict = await self._valkey.ask_async(lambda client: _count(self._in(client), item, policy, who))
        if verdict is None:  # Valkey is away
            if policy != UPLOADS:
                return headers
            verdict = _count(self._here(), item, policy, who)
        headers["ratelimit"] = f'"{policy}";r={verdict.remaining};t={verdict.reset_s}'
        if not verdict.allowed:
            raise RateLimited(policy, self._rates[policy], headers | {"retry-after": str(verdict.reset_s)})
        return headers

    def _in(self, client: Redis) -> SlidingWindowCounterRateLimiter:
        if self._shared is None:
            # The address is not used: the hasty client's own connections are.
            storage = RedisStorage("redis://", connection_pool=client.connection_pool, key_prefix=PREFIX)
            self._shared = SlidingWindowCounterRateLimiter(storage)
        return self._shared

    def _here(self) -> SlidingWindowCounterRateLimiter:
        if self._own is None:
            self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        return self._own


def _count(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, policy: str, who: str) -> Verdict:
    allowed = limiter.hit(item, policy, who)
    stats = limiter.get_window_stats(item, policy, who)
    reset_s = max(1, math.ceil(stats.reset_time - time.time()))
    return Verdict(allowed, max(0, stats.remaining) if allowed else 0, reset_s)
