"""One document in one work-horse: claim it, understand it, end it. Everything that can happen ends here."""

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import structlog
from bson import ObjectId
from rq.timeouts import BaseTimeoutException

from app.db.client import Record
from app.db.collections.work import WorkFiles
from app.db.transitions.work import Hold
from app.domain.analysis import analysis_key
from app.domain.errors import DomainError, HandBack, LostClaim
from app.domain.file import new_token
from app.domain.result import Analysis
from app.domain.status import Status
from app.pipeline.ports import Context
from app.pipeline.process import process
from app.pipeline.render import render_pages
from app.pipeline.vision import make_reader
from app.queue.attempt_tally import count_attempt
from app.queue.budget import Budget
from app.queue.heartbeat import Heartbeat
from app.queue.hold import Holding
from app.queue.job_inputs import original, pages_stored, take_over
from app.queue.ports import WorkerPorts, answers_of
from app.queue.q import Doorbell
from app.queue.retry_policy import Again, decide, failure_of
from app.queue.runtime import Runtime, reader_options
from app.storage.base import Storage

LAST_WORDS_S = 5.0
"""How long a database that is away is waited for when the process must go."""

log = structlog.get_logger(__name__)


class JobRun:
    """`run` once. Whatever it raises is a fault of ours, and has been written to the record already."""

    def __init__(
        self, runtime: Runtime, files: WorkFiles, storage: Storage, bell: Doorbell, file_id: ObjectId
    ) -> None:
        settings = runtime.settings
        self._runtime = runtime
        self._files = files
        self._storage = storage
        self._bell = bell
        self._id = file_id
        hold = Hold(new_token(), runtime.worker, os.getpid(), runtime.host)
        self._holding = Holding(hold, settings.lease_s, settings.job_timeout_s, runtime.stop)
        self._heartbeat = Heartbeat(
            self._holding,
            lambda: files.heartbeat(file_id, hold.token, settings.lease_s),
            self._abandon,
            settings.shutdown_grace_s,
        )
        self._began = time.monotonic()

    def run(self) -> None:
        if self._runtime.stop.asked:
            self._bell.ring(str(self._id), first=True)  # heard too late: another worker's
            return
        claimed = self._claim()
        if claimed is None:
            log.info("not_to_be_had")
            return
        self._claimed = claimed
        structlog.contextvars.bind_contextvars(request_id=claimed.get("request_id"))
        self._files.patience = self._holding.time_left
        self._heartbeat.start()
        try:
            self._end_well(*self._understand())
        except LostClaim:
            log.warning("claim_lost")
        except HandBack:
            self._hand_back()
        except BaseTimeoutException:
            self._end_badly(self._holding.too_long())
        except Exception as error:
            self._end_badly(error)
        finally:
            self._heartbeat.end()
            count_attempt(self._files, self._id, claimed, self._holding.token)

    def _claim(self) -> Record | None:
        """THE claim: without it nothing is done. None when another has it, it has ended, or must wait."""
        seen = self._files.find(self._id)
        if seen is None or seen["status"] != Status.QUEUED:
            return None
        self._key = analysis_key(
            str(self._id), seen["owner"], seen["sha256"], seen.get("options", {}), self._runtime.recipe
        )
        settings = self._runtime.settings
        return self._files.claim(
            self._id, self._holding.hold, settings.lease_s, settings.max_attempts, self._key
        )

    def _understand(self) -> tuple[Analysis, bool]:
        """The analysis, and whether it was taken over from a finished twin."""
        ttl_s = self._runtime.settings.cache_ttl_s
        taken = take_over(self._files, self._storage, self._claimed, self._holding.token, ttl_s)
        return (taken, True) if taken is not None else (self._analyse(), False)

    def _analyse(self) -> Analysis:
        settings, record = self._runtime.settings, self._claimed
        answers = answers_of(record)
        pages_per_call = record["pages_per_call"] if answers else settings.pages_per_call
        ports = WorkerPorts(
            self._files,
            self._storage,
            record,
            self._holding,
            self._heartbeat,
            pages_per_call=pages_per_call,
            answers=answers,
            call_time_s=self._runtime.call_time_s,
            budget=Budget(self._files.budgets(), record["owner"], settings.max_paid_calls_per_day),
        )
        with ExitStack() as stack:
            pages_done, path = self._converted_before(record), Path(os.devnull)
            if pages_done:
                ports.converted(pages_done)
            else:
                path = stack.enter_context(original(self._storage, record))
            reader = make_reader(reader_options(settings))
            stack.callback(reader.close)
            context = Context(
                file_id=str(self._id),
                name=record["name"],
                path=path,
                prompt=record.get("options", {}).get("prompt"),
                max_pages=settings.max_pages,
                pages_per_call=pages_per_call,
                page_box=settings.page_box,
                max_parallel_calls=settings.max_parallel_calls,
                answers=answers,
                pages_done=pages_done,
            )
            address, limits = self._runtime.renderer.address(), self._runtime.render_limits
            return process(context, ports, lambda path: render_pages(address, path, limits), reader)

    def _converted_before(self, record: Record) -> int:
        """How many pages an earlier attempt has stored for good, 0 when they must be drawn (again)."""
        pages: int = record.get("pages", 0)
        return pages if pages and pages_stored(self._storage, self._id, pages) else 0

    def _end_well(self, analysis: Analysis, cached: bool) -> None:
        attempt = self._attempt(analysis.model)
        if not self._files.finish(
            self._id, self._holding.token, analysis, attempt, {"cached": True} if cached else None
        ):
            raise LostClaim
        log.info("document_done", model=analysis.model, duration_ms=self._duration_ms())
        self._wake_twins()

    def _end_badly(self, error: Exception) -> None:
        """Back to the queue or failed, as the retry policy decides."""
        failure = failure_of(error)
        unforeseen = None if isinstance(error, DomainError) else error
        log.warning("attempt_failed", code=failure.code, retryable=failure.retryable, exc_info=unforeseen)
        decision = decide(error, self._claimed, self._runtime.settings.max_attempts)
        attempt = self._attempt(code=failure.code, message=failure.message)
        if not isinstance(decision, Again):
            if self._files.fail(self._id, self._holding.token, decision.failure, attempt):
                log.info("document_failed", code=decision.failure.code)
            self._wake_twins()
            return
        log.info("document_requeued", delay_s=round(decision.delay_s, 1), waiting_for=decision.waiting_for)
        self._files.requeue(
            self._id,
            self._holding.token,
            decision.delay_s,
            waiting_for=decision.waiting_for,
            spends_attempt=decision.spends_attempt,
            attempt=attempt,
        )

    def _hand_back(self) -> None:
        """To the queue at once, no attempt spent."""
        if self._files.requeue(self._id, self._holding.token, 0, spends_attempt=False):
            log.info("handed_back")
            self._bell.ring(str(self._id), first=True)

    def _abandon(self) -> None:
        """The grace is over in the middle of something: hand back and go, from the heartbeat's thread."""
        self._files.patience = lambda: LAST_WORDS_S
        try:
            self._hand_back()
        finally:
            os._exit(0)

    def _wake_twins(self) -> None:
        for twin in self._files.wake_same(self._key):
            self._bell.ring(str(twin))

    def _attempt(
        self, model: str | None = None, code: str | None = None, message: str | None = None
    ) -> dict[str, Any]:
        return {
            "n": self._claimed["attempts_made"],
            "at": self._claimed["claimed_at"],
            "duration_s": round(time.monotonic() - self._began, 3),
            "model": model or self._runtime.model,
            "code": code,
            "message": message,
            "worker": self._runtime.worker,
        }

    def _duration_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)
