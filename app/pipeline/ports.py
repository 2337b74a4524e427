"""What the pipeline asks of whoever runs it: the worker implements these, tests fake them.

The pipeline never sees the database, the storage or the settings; it meets a frozen `Context`
and a `Ports`. Every port may raise `LostClaim` (stop, write nothing) or `HandBack` (stop was
asked for; the document goes back to the queue).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from app.domain.result import Answer


@dataclass(frozen=True)
class Context:
    """One document as the steps see it."""

    file_id: str
    name: str
    path: Path
    prompt: str | None = None
    max_pages: int = 300
    pages_per_call: int = 10
    page_box: tuple[int, int] = (1334, 1888)
    max_parallel_calls: int = 4
    answers: dict[int, Answer] = field(default_factory=dict)
    """Batches already answered (and paid) by an earlier attempt, by number."""
    pages_done: int = 0
    """Pages that an earlier attempt rendered and stored, when the conversion was complete; else 0."""


@dataclass(frozen=True)
class Page:
    """One page as the model will see it. `text` is the page's own text layer, "" where there is none."""

    number: int
    jpeg: bytes
    width: int
    height: int
    text: str = ""


class Ports(Protocol):
    """The worker's side: each call is a guarded write or a question about the hold on the record."""

    def save_page(self, page: Page) -> None:
        """Store the JPEG and its text durably; may be called twice for a page, last one wins."""

    def load_page(self, number: int) -> Page:
        """A stored page, from 1; raises KeyError when it is not there."""

    def progress(self, stage: str, pages_done: int, pages_total: int | None) -> None:
        """Tell how far it is; best effort and rate limited by the implementer, but checks the hold."""

    def converted(self, pages_total: int) -> None:
        """All pages are stored: the record becomes `conversion complete`."""

    def fence(self, batch: int, model: str) -> str:
        """Append the intent to pay for `batch`; returns the call's id. Without it nothing may be paid."""

    def save_answer(self, batch: int, call_id: str, answer: Answer) -> None:
        """Save what was paid for, before it is parsed; kept even when the hold was lost meanwhile."""

    def call_failed(self, batch: int, call_id: str, code: str) -> None:
        """The call ended without an answer that could be paid for."""

    def check(self) -> None:
        """Raise LostClaim or HandBack when the work should stop now."""


class Reader(Protocol):
    """Reads a batch of pages: a model behind an API, or the local reader."""

    model: str
    paid: bool

    def read(self, context: Context, pages: list[Page], batch: int, batches: int) -> Answer:
        """One answer for these pages. Raises PermanentFailure or TransientFailure."""
