"""How this process talks to Valkey: hasty clients behind a breaker, so that a dead Valkey costs no time.

Valkey is a doorbell: nothing in it is worth waiting for. Only a worker's own connection is patient
(`app.queue.patience`), because without its queue it has nothing to do.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

ASK_TIMEOUT_S: Final = 1.0
SKIP_S: Final = 5.0
THREADS: Final = 4

T = TypeVar("T")
log = structlog.get_logger(__name__)


def hasty_client(url: str, timeout_s: float = ASK_TIMEOUT_S) -> Redis:
    """A client that gives up at once: no retry, and a second for each step."""
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        driver_info=None,  # telling the server our version reads the package's metadata, 2 ms each time
    )


class Breaker:
    """After a failure nobody asks for `skip_s`; then one caller tries, the others follow if it worked."""

    def __init__(self, skip_s: float = SKIP_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._skip_s = skip_s
        self._clock = clock
        self._lock = threading.Lock()
        self._closed_until: float | None = None

    def allows(self) -> bool:
        with self._lock:
            if self._closed_until is None:
                return True
            if self._clock() < self._closed_until:
                return False
            self._closed_until = self._clock() + self._skip_s  # this caller tries, the others go on skipping
            return True

    @property
    def skipping(self) -> bool:
        """Whether the last one who tried failed."""
        return self._closed_until is not None

    def worked(self) -> None:
        with self._lock:
            self._closed_until = None

    def failed(self) -> bool:
        """Returns whether this is news: the breaker was closing nothing before."""
        with self._lock:
            news = self._closed_until is None
            self._closed_until = self._clock() + self._skip_s
            return news


class Valkey:
    """Every question of this process to Valkey; one that fails answers None, and all do for a while."""

    def __init__(self, url: str, breaker: Breaker | None = None) -> None:
        self._client = hasty_client(url)
        self._breaker = breaker or Breaker()
        # Threads of its own: a hanging Valkey must not occupy those that write uploads to disk.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="valkey")

    def ask(self, question: Callable[[Redis], T]) -> T | None:
        """The answer, or None when Valkey is away (or was a moment ago)."""
        if not self._breaker.allows():
            return None
        try:
            answer = question(self._client)
        except (RedisError, OSError) as error:
            if self._breaker.failed():
                log.warning("valkey_away", error_type=type(error).__name__, skipped_for_s=SKIP_S)
            return None
        self._breaker.worked()
        return answer

    @property
    def away(self) -> bool:
        """Whether this process does without Valkey now."""
        return self._breaker.skipping

    async def ask_async(self, question: Callable[[Redis], T]) -> T | None:
        """`ask` in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.ask, question)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()
