"""The producer: rings the doorbell that tells a worker "look at this document".

Nothing here raises and nothing here matters for long: the record in MongoDB says what is to be done, a
lost bell is rung again by the reconciler.
"""

import secrets
from typing import Final

from redis import Redis
from rq import Queue
from rq.utils import as_text

from app.queue.valkey import Valkey

QUEUE: Final = "default"
"""The only queue that a stock `rq worker` without arguments listens to."""
JOB: Final = "app.queue.jobs.process"
"""Named by a string: whoever rings never imports what the worker runs."""

RESULT_TTL_S: Final = 0
FAILURE_TTL_S: Final = 60
JOB_TIMEOUT_S: Final = 3600
"""RQ's own limit, of no meaning: the worker replaces it by one a little above its JOB_TIMEOUT_S."""

EPOCH_KEY: Final = "full-rag:epoch"
WORKERS_KEY: Final = "full-rag:workers"
WORKER_TTL_S: Final = 30


def worker_key(name: str) -> str:
    """The heartbeat of one worker: alive while it exists."""
    return f"full-rag:worker:{name}"


class Doorbell:
    """One for each process. Answers None (or False) where Valkey is away; never raises, never waits long."""

    def __init__(self, valkey_url: str, valkey: Valkey | None = None) -> None:
        self.valkey = valkey or Valkey(valkey_url)

    def ring(self, file_id: str, *, first: bool = False) -> bool:
        """Put the document's bell into the queue; False when it was not heard.

        `first`: before all others, for a document that has waited its turn already.
        """
        return self.valkey.ask(lambda client: _enqueue(client, file_id, first)) is not None

    async def ring_async(self, file_id: str, *, first: bool = False) -> bool:
        return await self.valkey.ask_async(lambda client: _enqueue(client, file_id, first)) is not None

    def epoch(self) -> str | None:
        """Names the life of Valkey's data: another name means that every bell rung before is gone."""
        return self.valkey.ask(_epoch)

    async def epoch_async(self) -> str | None:
        return await self.valkey.ask_async(_epoch)

    def waiting(self) -> set[str] | None:
        """The documents whose bells are in the queue and need not be rung again."""
        return self.valkey.ask(_waiting)

    async def waiting_async(self) -> set[str] | None:
        return await self.valkey.ask_async(_waiting)

    async def alive_workers_async(self) -> int | None:
        """How many workers showed a sign of life within the last 30 s."""
        return await self.valkey.ask_async(_alive_workers)

    async def queue_depth_async(self) -> int | None:
        return await self.valkey.ask_async(lambda client: int(client.llen(_key())))

    async def ping_async(self) -> bool:
        return bool(await self.valkey.ask_async(lambda client: client.ping()))

    def close(self) -> None:
        self.valkey.close()


def _key() -> str:
    return f"{Queue.redis_queue_namespace_prefix}{QUEUE}"


def _enqueue(client: Redis, file_id: str, first: bool) -> str:
    job = Queue(QUEUE, connection=client, serializer="json").enqueue(
        JOB,
        file_id,
        job_id=f"{file_id}-{secrets.token_hex(6)}",  # tells which document, yet no two bells share a job
        description=file_id,
        at_front=first,
        job_timeout=JOB_TIMEOUT_S,
        result_ttl=RESULT_TTL_S,
        failure_ttl=FAILURE_TTL_S,
    )
    return str(job.id)


def _epoch(client: Redis) -> str:
    mine = secrets.token_hex(8)
    before = client.set(EPOCH_KEY, mine, nx=True, get=True)
    return as_text(before) if isinstance(before, bytes | str) else mine


def _waiting(client: Redis) -> set[str]:
    return {as_text(job_id).partition("-")[0] for job_id in client.lrange(_key(), 0, -1)}


def _alive_workers(client: Redis) -> int:
    names = [as_text(name) for name in client.smembers(WORKERS_KEY)]
    if not names:
        return 0
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.exists(worker_key(name))
        alive = pipeline.execute()
    gone = [name for name, lives in zip(names, alive, strict=True) if not lives]
    if gone:
        client.srem(WORKERS_KEY, *gone)
    return len(names) - len(gone)
