"""What a document's end in the renderer means for its owner: a code, and what can be done about it.

The only table from causes, signals and clocks to failures; no parser's words ever come through.
"""

import signal

from app.domain.errors import DomainError, PermanentFailure, TransientFailure
from app.pipeline.render_wire import Cause, Request, Verdict

_ENCRYPTED = "The document is protected with a password. Save it without one and upload it again."
_DAMAGED = (
    "The document cannot be opened: it is damaged or incomplete. "
    "Open it in a PDF reader, save or print it as a new PDF and upload that."
)
_NO_PAGES = "The document has no pages. Check the file and upload one with at least one page."
_SIMPLIFY = "Print it as a new PDF, which simplifies it, and upload that"


def unavailable(why: str) -> TransientFailure:
    """The renderer is at fault, not the document: worth another try."""
    return TransientFailure(why, code="renderer_unavailable", costs_attempt=True)


def unreachable() -> TransientFailure:
    return unavailable(
        "The renderer's process cannot be reached. "
        "The document is tried again; restart the worker if it stays."
    )


def too_complex(limit: str, setting: str) -> PermanentFailure:
    """`limit` says what was hit, `setting` which one to raise."""
    return PermanentFailure(
        f"The document is too complex to be drawn: {limit}. {_SIMPLIFY}, or raise {setting}.",
        code="document_too_complex",
    )


def too_slow(request: Request) -> PermanentFailure:
    return too_complex(
        f"its pages took longer than the {request.timeout_s:g} s that are given", "RENDER_TIMEOUT_S"
    )


def misbehaved() -> PermanentFailure:
    """The child broke the protocol: a subverted or broken parser, either way this document's doing."""
    return PermanentFailure(
        f"The document made the renderer misbehave and was given up. {_SIMPLIFY}.",
        code="document_too_complex",
    )


def refused(cause: int, detail: int, request: Request) -> DomainError:
    """The failure for what the child said."""
    match cause:
        case Cause.ENCRYPTED:
            return PermanentFailure(_ENCRYPTED, code="document_encrypted")
        case Cause.DAMAGED:
            return PermanentFailure(_DAMAGED, code="document_damaged")
        case Cause.NO_PAGES:
            return PermanentFailure(_NO_PAGES, code="document_damaged")
        case Cause.PAGE_DAMAGED:
            return PermanentFailure(
                f"Page {detail} of the document cannot be read: it is damaged. "
                "Open the document in a PDF reader, save or print it as a new PDF and upload that.",
                code="document_damaged",
            )
        case Cause.TOO_MANY_PAGES:
            return PermanentFailure(
                f"The document has {detail} pages, more than MAX_PAGES ({request.max_pages}) allows. "
                "Split it into smaller ones, or raise MAX_PAGES.",
                code="too_many_pages",
            )
        case Cause.OUT_OF_MEMORY:
            return _out_of_memory(request)
        case Cause.TOO_MANY_FIELDS:
            return PermanentFailure(
                f"The document is too complex to be drawn: page {detail} has too many form fields and notes. "
                f"{_SIMPLIFY}.",
                code="document_too_complex",
            )
        case Cause.TOOL_DIED:
            return _died(detail, request)
        case Cause.NO_POPPLER:
            return unavailable(
                "PDF_RENDERER=poppler needs pdftoppm, pdftotext and pdfinfo on the worker's PATH: "
                "install poppler-utils and restart the worker, or set PDF_RENDERER=pdfium."
            )
        case Cause.NO_SANDBOX:
            return unavailable(
                "The renderer could not be sealed off, so the document was not opened. "
                "See the renderer's report in the worker's start log."
            )
        case _:
            return misbehaved()


def ended(verdict: Verdict | None, request: Request) -> DomainError:
    """The failure for a child that ended without a last word; None when the server has not told either."""
    if verdict is None:
        return unreachable()
    if verdict.end == "wall":
        return unavailable(
            "The pages could not be taken from the renderer in time. The document is tried again."
        )
    if verdict.end == "signal":
        return _died(verdict.number, request)
    return misbehaved()


def _died(number: int, request: Request) -> PermanentFailure:
    if number == signal.SIGXCPU:
        return too_complex(
            f"it used more than the {request.cpu_s} s of processor time that are given", "RENDER_TIMEOUT_S"
        )
    if number == signal.SIGKILL:
        return too_complex("it was killed, as the system does when memory runs out", "RENDER_MEMORY_MB")
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return too_complex(
        f"its parser broke down ({name}), as it does at the limit of {request.memory_mb} MB of memory",
        "RENDER_MEMORY_MB",
    )


def _out_of_memory(request: Request) -> PermanentFailure:
    return too_complex(
        f"it needs more than the {request.memory_mb} MB of memory that are given", "RENDER_MEMORY_MB"
    )
