"""Which jobs a worker runs: one function with one id. Whoever can write to Valkey can make it run no other.

A job's hash may name any function that can be imported (`os.system`), callbacks, webhooks, dependencies
and repeats. Of a hash only a few harmless fields are read here; everything else is as if it were not there.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from app.domain.file import ID_PATTERN
from app.queue.q import FAILURE_TTL_S, JOB, JOB_TIMEOUT_S, RESULT_TTL_S

KNOWN_FIELDS: Final = frozenset(
    {
        b"data",
        b"status",
        b"origin",
        b"created_at",
        b"enqueued_at",
        b"started_at",
        b"ended_at",
        b"last_heartbeat",
        b"worker_name",
    }
)
MAX_DATA: Final = 4096
"""Bytes of a compressed call; ours has about a hundred."""
OUR_JOB_ID: Final = re.compile(rf"{ID_PATTERN}-[0-9a-f]+")

log = structlog.get_logger(__name__)


class AllowListJob(Job):
    """What RQ_JOB_CLASS names."""

    time_limit_s = JOB_TIMEOUT_S

    def __init__(
        self,
        id: str | None = None,
        connection: Redis | None = None,
        serializer: object = None,  # noqa: ARG002  (the stock command passes pickle, which runs what it reads)
    ) -> None:
        super().__init__(id, connection, serializer=JSONSerializer)

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        known = {name: value for name, value in raw_data.items() if name in KNOWN_FIELDS}
        if len(known.get(b"data", b"")) > MAX_DATA:
            known[b"data"] = b"too large"
        super().restore(known)
        self.timeout = self.time_limit_s
        self.result_ttl = RESULT_TTL_S
        self.failure_ttl = FAILURE_TTL_S

    @property
    def allowed(self) -> bool:
        """Whether this is `process("<24 hex>")` and nothing else."""
        try:
            name, instance, arguments, named = json.loads(self.data)
        except (ValueError, TypeError, RecursionError):
            return False
        return (
            name == JOB
            and instance is None
            and named == {}
            and isinstance(arguments, list)
            and len(arguments) == 1
            and isinstance(arguments[0], str)
            and re.fullmatch(ID_PATTERN, arguments[0]) is not None
        )

    def perform(self) -> Any:
        if not self.allowed:
            raise PermissionError("not a job of this service")
        return super().perform()


class FullRagQueue(Queue):
    """What RQ_QUEUE_CLASS names: JSON, whatever the command line says, and no job that is not ours."""

    job_class = AllowListJob

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"serializer": JSONSerializer, "job_class": AllowListJob}))

    @classmethod
    def _fetch_dequeued_job(
        cls, connection: Redis, queue_key: str, job_id: str, *_classes: Any, **_more: Any
    ) -> tuple[Job, Queue] | None:
        """Drops what may not be run, and what cannot even be read: a worker must not end over it."""
        try:
            found = super()._fetch_dequeued_job(
                connection, queue_key, job_id, job_class=AllowListJob, serializer=JSONSerializer
            )
            if found is None or (isinstance(found[0], AllowListJob) and found[0].allowed):
                return found
            reason = "not_allowed"
        except RedisError:
            raise
        except Exception as error:
            reason = type(error).__name__
        log.error("job_refused", job_id=job_id if OUR_JOB_ID.fullmatch(job_id) else None, reason=reason)
        with connection.pipeline() as pipeline:
            pipeline.delete(f"{Job.redis_job_namespace_prefix}{job_id}")
            pipeline.lrem(f"{queue_key}:intermediate", 0, job_id)
            pipeline.execute()
        return None
