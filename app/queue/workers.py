"""The consumer: what `RQ_WORKER_CLASS` and its kin name, so that RQ's stock commands run our worker.

RQ forks a work-horse for each document. This parent prepares once what all of them need, keeps no
connection to MongoDB (it forks), frees what a killed work-horse held, and passes a wish to stop on.
Nothing of RQ's own retries, scheduler, results, callbacks or remote commands has any meaning here.
"""

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import FrameType
from typing import Any, Final

import structlog
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Worker, worker_registration
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

# Imported here so that the parent (in a pool: the one parent of all) has done it for every work-horse.
from app.pipeline import process as _process  # noqa: F401
from app.pipeline import sandbox_libc as libc
from app.pipeline import vision_local as _vision_local  # noqa: F401
from app.pipeline import vision_openai as _vision_openai  # noqa: F401
from app.pipeline.render import RendererNotStarted
from app.queue import jobs as _jobs  # noqa: F401
from app.queue.allow_list import AllowListJob, FullRagQueue
from app.queue.patience import PatientConnection, patient_retry
from app.queue.prepare import living, prepare
from app.queue.q import WORKER_TTL_S, WORKERS_KEY, worker_key
from app.queue.rescue import free_horse
from app.queue.runtime import Runtime, install
from app.queue.valkey import hasty_client

__all__ = ["AllowListJob", "FullRagQueue", "FullRagWorker", "PatientConnection"]

WORKER_TTL: Final = 20
EVERY_S: Final = 5
SAME_SIGNAL_S: Final = 1.0
"""A pool's worker hears one Ctrl-C twice, from the terminal and from the pool."""
LAST_WORDS_S: Final = 10.0
"""What a work-horse gets beyond its grace before it is killed."""
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger(__name__)


@cache
def _read_sources() -> None:
    """Once, for all work-horses: PyMongo formats the stack for each new client, which reads these files."""
    traceback.format_stack()


class FullRagWorker(Worker):
    """One for each process that RQ's commands start; `work` is called by them."""

    max_connection_wait_time = 2.0

    def __init__(self, queues: Any, name: str | None = None, **kwargs: Any) -> None:
        """Whatever the command line says about classes, serializer and intervals is replaced."""
        queues = queues if isinstance(queues, list | tuple) else [queues]
        kwargs.pop("default_worker_ttl", None)
        ours = {
            "job_class": AllowListJob,
            "queue_class": FullRagQueue,
            "serializer": JSONSerializer,
            "worker_ttl": WORKER_TTL,
            "maintenance_interval": EVERY_S,
            "job_monitoring_interval": EVERY_S,
            "log_job_description": False,
        }
        kwargs["connection"].set_retry(patient_retry())
        names = [one if isinstance(one, str) else one.name for one in queues]
        super().__init__(names, name, **(kwargs | ours))
        self._runtime: Runtime | None = None
        self._has_job = False
        self._asked_to_stop_at: float | None = None
        self._kill_at = float("inf")

    # --- start and end

    def work(self, *args: Any, **kwargs: Any) -> bool:
        libc.make_undumpable()
        if multiprocessing.parent_process() is not None:  # a pool that is killed takes its workers along
            libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGTERM)
        prepared = prepare()
        self._runtime = Runtime(prepared.settings, self.name, prepared.renderer)
        install(self._runtime)
        AllowListJob.time_limit_s = round(self._runtime.settings.job_timeout_s) + 60
        log.info("worker_started", worker=self.name, model=self._runtime.model, pid=os.getpid())
        return bool(super().work(*args, **kwargs))

    def bootstrap(self, _logging_level: Any = None, *formats: Any) -> None:
        """Our logging stays as it is."""
        super().bootstrap(None, *formats)

    def subscribe(self) -> None:
        """No remote commands: no thread that listens for them in a process that forks."""

    def _start_scheduler(self, *_args: Any, **_kwargs: Any) -> None:
        """`--with-scheduler` may be said and means nothing: the record says when to try again."""

    def teardown(self) -> None:
        for number in STOP_SIGNALS:  # whoever signals once more: there is nothing left to hurry
            signal.signal(number, signal.SIG_IGN)
        if self._runtime is not None:
            self._runtime.renderer.close()
        with suppress(RedisError, OSError), self._hastily():
            self.connection.delete(worker_key(self.name))
            self.connection.srem(WORKERS_KEY, self.name)
            super().teardown()  # type: ignore[no-untyped-call]
        log.info("worker_stopped", worker=self.name)

    # --- signs of life

    def heartbeat(self, timeout: int | None = None, pipeline: "Pipeline | None" = None) -> None:
        """RQ's, and ours; both come back by themselves after a FLUSHALL."""
        if pipeline is None:
            with self.connection.pipeline(transaction=False) as own:
                self.heartbeat(timeout, own)
                if own.execute()[0]:  # the field was new: the worker's hash was gone
                    self.connection.hset(self.key, mapping=self.serialize())
            return
        super().heartbeat(timeout, pipeline)
        worker_registration.register(self, pipeline)
        pipeline.sadd(WORKERS_KEY, self.name)
        pipeline.set(worker_key(self.name), self.hostname or "", ex=WORKER_TTL_S)

    def maintain_heartbeats(self, job: Any, execution: Any) -> None:
        """Every few seconds of a job. Never waits for Valkey: the work-horse's end must not go unnoticed."""
        if time.monotonic() >= self._kill_at:
            log.warning("work_horse_overdue", worker=self.name)
            self.kill_horse()
        with suppress(RedisError, OSError), self._hastily():
            super().maintain_heartbeats(job, execution)

    @contextmanager
    def _hastily(self) -> Iterator[None]:
        """A connection without patience, for as long as the block runs."""
        assert self._runtime is not None
        patient = self.connection
        with hasty_client(self._runtime.settings.valkey_url.get_secret_value()) as self.connection:
            try:
                yield
            finally:
                self.connection = patient

    # --- the work-horse

    def reorder_queues(self, reference_queue: Any) -> None:
        """RQ's first step after a job was taken from the queue: from here on a wish to stop waits for it."""
        self._has_job = True
        super().reorder_queues(reference_queue)

    def execute_job(self, job: Any, queue: Any) -> None:
        try:
            super().execute_job(job, queue)
        finally:
            self._has_job = False

    def fork_work_horse(self, job: Any, queue: Any) -> None:
        """Signals wait until the parent knows the child's number and the child has its own handlers."""
        assert self._runtime is not None
        try:
            self._runtime.renderer = living(self._runtime.renderer)
        except RendererNotStarted:
            log.exception("renderer_not_started")  # the document's record will say so
        _read_sources()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            super().fork_work_horse(job, queue)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        if self._asked_to_stop_at is not None:
            self._tell_horse()

    def setup_work_horse_signals(self) -> None:
        """In the child."""
        assert self._runtime is not None
        self._runtime.stop.listen()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def wait_for_horse(self) -> Any:
        """When it did not end well, what it held is free at once, whether or not Valkey answers."""
        ended = super().wait_for_horse()
        signal.alarm(0)  # RQ's monitor interrupts the waiting only
        status = ended[1]
        if status != os.EX_OK:
            assert self._runtime is not None
            free_horse(self._runtime, self.horse_pid, status)
        self._has_job = False
        if self._asked_to_stop_at is not None:
            raise StopRequested  # RQ's bookkeeping would wait for a Valkey that is away
        return ended

    # --- the wish to stop

    def request_stop(self, _signum: int, _frame: FrameType | None) -> None:
        """Once: the work-horse finishes what is paid for. Again: it hands back at once."""
        assert self._runtime is not None
        now = time.monotonic()
        if self._asked_to_stop_at is None:
            self._asked_to_stop_at = now
            self._stop_requested = True
            self._kill_at = now + self._runtime.settings.shutdown_grace_s + LAST_WORDS_S
            if not self._has_job:
                raise StopRequested
        elif now - self._asked_to_stop_at < SAME_SIGNAL_S:
            return
        elif not self.horse_pid:
            raise StopRequested
        else:
            self._kill_at = min(self._kill_at, now + LAST_WORDS_S)
        self._tell_horse()

    def _tell_horse(self) -> None:
        if self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGTERM)
