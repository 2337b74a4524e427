"""Tells the API processes that a record has changed: a hint over Valkey's pub/sub, for those who wait.

Like the doorbell it may be lost at any time: whoever waits also looks into MongoDB now and then.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from bson import ObjectId
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.queue.valkey import Valkey

CHANNEL: Final = "full-rag:changed"
CONNECT_S: Final = 2.0
SILENCE_S: Final = 5.0
"""After so long without a word the server is asked whether it is still there."""
PAUSE_S: Final = 1.0

Announce = Callable[[ObjectId], None]
log = structlog.get_logger(__name__)


def announcer(valkey: Valkey) -> Announce:
    """For a worker's threads: costs a round trip, never raises."""

    def announce(file_id: ObjectId) -> None:
        valkey.ask(lambda client: client.publish(CHANNEL, str(file_id)))

    return announce


class AsyncAnnouncer:
    """For an event loop: returns at once, the word is sent by a task."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._sending: set[asyncio.Task[Any]] = set()

    def __call__(self, file_id: ObjectId) -> None:
        word = self._valkey.ask_async(lambda client: client.publish(CHANNEL, str(file_id)))
        task = asyncio.get_running_loop().create_task(word)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


class Listener:
    """One subscription a process. `alive` says whether changes are being heard now."""

    def __init__(self, valkey_url: str) -> None:
        self._url = valkey_url
        self.alive = False

    async def changes(self) -> AsyncIterator[ObjectId | None]:
        """Ids of changed records, for ever; None after each (re)connection: some may have been missed."""
        told = False
        while True:
            try:
                async with self._client() as client, client.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    self.alive, told = True, False
                    yield None
                    async for file_id in self._words(channel):
                        yield file_id
            except (RedisError, OSError, TimeoutError) as error:
                if not told:
                    log.warning("not_listening", error_type=type(error).__name__)
                    told = True
            finally:
                self.alive = False
            await asyncio.sleep(PAUSE_S)

    async def _words(self, channel: Any) -> AsyncIterator[ObjectId]:
        asked = False
        while True:
            message = await channel.get_message(timeout=SILENCE_S)
            if message is None:
                if asked:
                    raise TimeoutError
                await channel.ping()
                asked = True
                continue
            asked = False
            if message["type"] == "message":
                with suppress(Exception):
                    yield ObjectId(message["data"].decode())

    def _client(self) -> Redis:
        return Redis.from_url(
            self._url,
            socket_connect_timeout=CONNECT_S,
            socket_timeout=SILENCE_S * 2,
            retry=Retry(NoBackoff(), 0),
        )
