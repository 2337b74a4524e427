"""A document's state in words, and as a part of the way."""

from typing import Final

from app.cli.safe import line
from app.client.types import CANCELLED, DONE, Document, Progress

UPLOAD_END: Final = 10.0
PARTS: Final = {"converting": (10.0, 50.0), "analysing": (50.0, 95.0)}
"""Of a hundred: where a stage begins and ends on the bar."""


def state(document: Document) -> str:
    """On one line."""
    if document.status == DONE:
        return "done" if document.pages is None else f"done, {_pages(document.pages)}"
    if document.status == CANCELLED:
        return "cancelled"
    if document.ended:
        error = document.error
        return f"failed: {line(error.code)}: {line(error.message)}" if error else "failed"
    return _under_way(document.progress)


def _under_way(progress: Progress) -> str:
    if progress.waiting_for:
        place = f", {progress.position} in the queue" if progress.position else ""
        return f"waiting: {line(progress.waiting_for)}{place}"
    stage = line(progress.stage) or "accepted"
    if progress.pages_total and progress.pages_done is not None:
        return f"{stage}, page {progress.pages_done} of {progress.pages_total}"
    return stage


def percent(document: Document) -> float:
    if document.ended:
        return 100.0
    begin, end = PARTS.get(document.progress.stage, (UPLOAD_END, UPLOAD_END))
    done, total = document.progress.pages_done or 0, document.progress.pages_total or 0
    return begin + (end - begin) * min(done / total, 1.0) if total else begin


def name(document: Document) -> str:
    return line(document.name) or document.id


def _pages(count: int) -> str:
    return "1 page" if count == 1 else f"{count} pages"
