"""The worker's side of the pipeline's ports: each call is a guarded write, or a question about the hold."""

import threading
import time
from typing import Final

import simplejpeg
import structlog
from bson import ObjectId
from pymongo.errors import PyMongoError

from app.db.client import Record
from app.db.collections.work import WorkFiles
from app.db.transitions.work import MAX_PAID_CALLS_PER_BATCH
from app.domain.errors import DomainError, HandBack, LostClaim, TransientFailure
from app.domain.file import new_token, page_key, page_text_key, thumb_key
from app.domain.result import Answer
from app.pipeline.assemble import batches_of
from app.pipeline.ports import Page
from app.queue.budget import Budget
from app.queue.heartbeat import Heartbeat
from app.queue.hold import Holding
from app.queue.retry_policy import COST_NOTHING, NOT_SENT, TooManyPaidCalls
from app.queue.thumbnail import thumbnail
from app.storage.base import Storage

PROGRESS_EVERY_S: Final = 0.25

log = structlog.get_logger(__name__)


class WorkerPorts:
    """One job's ports. `answers` is shared with the pipeline's context: what arrives late is seen there."""

    def __init__(
        self,
        files: WorkFiles,
        storage: Storage,
        record: Record,
        holding: Holding,
        heartbeat: Heartbeat,
        *,
        pages_per_call: int,
        answers: dict[int, Answer],
        call_time_s: float,
        budget: Budget | None = None,
    ) -> None:
        self._files = files
        self._storage = storage
        self._id: ObjectId = record["_id"]
        self._holding = holding
        self._heartbeat = heartbeat
        self._pages_per_call = pages_per_call
        self._answers = answers
        self._answers_seen: int = record["answered"]
        self._call_time_s = call_time_s
        self._budget = budget or Budget(None, "", 0)
        self._told_at = time.monotonic()
        self._telling = threading.Lock()

    def check(self) -> None:
        self._holding.check()

    def save_page(self, page: Page) -> None:
        self._holding.check()
        small = thumbnail(page.jpeg)
        if small is not None:  # before the page: where that is stored, this is
            self._storage.put(thumb_key(self._id, page.number), small)
        self._storage.put(page_key(self._id, page.number), page.jpeg)
        if page.text:
            self._storage.put(page_text_key(self._id, page.number), page.text.encode())

    def load_page(self, number: int) -> Page:
        jpeg = self._storage.get(page_key(self._id, number))
        try:
            text = self._storage.get(page_text_key(self._id, number)).decode()
        except KeyError:
            text = ""
        try:
            height, width, *_ = simplejpeg.decode_jpeg_header(jpeg)
        except ValueError:
            height = width = 0  # the pipeline refuses a damaged image in its own words
        return Page(number, jpeg, width, height, text)

    def progress(self, stage: str, pages_done: int, pages_total: int | None) -> None:
        """Four times a second at most; beginning and end of a stage are told by the status's own change."""
        if stage == "converting":
            self._holding.check()
        self._holding.still_held()
        with self._telling:
            if pages_done in (0, pages_total) or time.monotonic() - self._told_at < PROGRESS_EVERY_S:
                return
            self._told_at = time.monotonic()
        try:
            told = self._files.progress(self._id, self._holding.token, stage, pages_done, pages_total)
        except PyMongoError as error:
            log.warning("progress_not_told", error_type=type(error).__name__)
            return
        if not told:
            self._holding.lose()
            raise LostClaim

    def converted(self, pages_total: int) -> None:
        """With the plan. Where an earlier holder's answer arrives meanwhile, the answers are read again."""
        batches = range(len(batches_of(pages_total, self._pages_per_call)))
        while True:
            missing = [number for number in batches if number not in self._answers]
            if self._files.converted(
                self._id,
                self._holding.token,
                pages_total,
                self._pages_per_call,
                self._answers_seen,
                missing,
            ):
                return
            self._read_answers_again()

    def _read_answers_again(self) -> None:
        record = self._mine()
        if record["answered"] == self._answers_seen:
            raise LostClaim  # our token, yet no longer `processing`: somebody else acts in our name
        if record.get("pages_per_call") != self._pages_per_call:
            raise HandBack  # paid for under another plan: the next attempt follows that one
        self._answers.update(answers_of(record))
        self._answers_seen = record["answered"]

    def _mine(self) -> Record:
        """The record as it is now; raises LostClaim when it is not ours."""
        record = self._files.find(self._id)
        if record is None or record.get("lease", {}).get("token") != self._holding.token:
            self._holding.lose()
            raise LostClaim
        return record

    def fence(self, batch: int, model: str) -> str:
        """THE fence: no paid call without an intent stored under our token, by a holder known to be alive."""
        self._holding.check()
        if self._holding.time_left() < self._call_time_s:
            raise self._holding.too_long()
        return self._budget.fence(lambda: self._intent(batch, model))

    def _intent(self, batch: int, model: str) -> str:
        self._be_fresh()
        call_id = new_token()
        if not self._files.fence(self._id, self._holding.token, call_id, batch, model):
            raise self._why_refused(batch)
        try:
            self._be_fresh()  # storing the intent may itself have waited out an outage
        except (DomainError, LostClaim):
            self.call_failed(batch, call_id, NOT_SENT)
            raise
        return call_id

    def _be_fresh(self) -> None:
        """A process that was frozen, or cut off, finds out here that its record was given to another."""
        while not self._holding.fresh():
            try:
                if self._heartbeat.beat():
                    continue
            except PyMongoError as error:
                if self._holding.over():
                    raise self._holding.too_long() from error
                time.sleep(PROGRESS_EVERY_S)
                continue
            raise LostClaim

    def _why_refused(self, batch: int) -> Exception:
        record = self._mine()
        if str(batch) in record["answers"]:
            return HandBack()
        if record.get("paid_calls", {}).get(str(batch), 0) >= MAX_PAID_CALLS_PER_BATCH:
            return TooManyPaidCalls()
        return LostClaim()

    def save_answer(self, batch: int, call_id: str, answer: Answer) -> None:
        """Kept even when the hold is lost; the next check stops us then."""
        if self._files.save_answer(self._id, batch, self._pages_per_call, call_id, answer):
            self._holding.saved_answers += 1
        elif call_id:
            self._files.end_call(self._id, call_id)

    def call_failed(self, batch: int, call_id: str, code: str) -> None:
        try:
            self._files.call_failed(self._id, call_id, batch, code, code not in COST_NOTHING)
        except PyMongoError as error:
            raise TransientFailure("The database was away.", code="database_away") from error
        finally:
            self._budget.call_failed(call_id, code)


def answers_of(record: Record) -> dict[int, Answer]:
    """The answered batches of a record, by number."""
    return {int(number): Answer.from_record(one) for number, one in record.get("answers", {}).items()}
