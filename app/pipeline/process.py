"""The steps of understanding a document, in order: pages, answers, analysis.

Nothing is done twice that an earlier attempt finished: stored pages are not rendered again, answered
batches are not paid again.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from app.domain.errors import DomainError, LostClaim, PermanentFailure, TransientFailure
from app.domain.result import Analysis, Answer
from app.pipeline.assemble import assemble, batches_of
from app.pipeline.ports import Context, Page, Ports, Reader

RenderCall = Callable[[Path], Iterator[tuple[int, Page]]]
JPEG_START = b"\xff\xd8"


def process(context: Context, ports: Ports, render: RenderCall, reader: Reader) -> Analysis:
    """From a stored document to its analysis.

    Raises `PermanentFailure` or `TransientFailure` for the record, `LostClaim` or `HandBack` from a port.
    """
    total = context.pages_done or _convert(context, ports, render)
    batches = batches_of(total, context.pages_per_call)
    answers = _Analysing(context, ports, reader, batches).run()
    return assemble([answers[number] for number in range(len(batches))], batches)


def _convert(context: Context, ports: Ports, render: RenderCall) -> int:
    """Render and store every page, one in memory at a time; how many there are."""
    saved, total = 0, 0
    pages = render(context.path)
    try:
        for total, page in pages:
            ports.save_page(page)
            saved += 1
            ports.progress("converting", saved, total)
    finally:
        close = getattr(pages, "close", None)
        if close is not None:  # a generator left early must end its child now, not when collected
            close()
    if saved == 0:
        raise PermanentFailure(
            "The document has no pages. Open it in a viewer, save it anew and upload that.",
            code="document_empty",
        )
    if saved != total:
        raise TransientFailure("Not every page could be rendered; we try again.", code="render_incomplete")
    ports.converted(total)
    return total


class _Analysing:
    """Answers the missing batches, a few at a time; the first failure keeps further ones from starting."""

    def __init__(self, context: Context, ports: Ports, reader: Reader, batches: list[range]) -> None:
        self._context = context
        self._ports = ports
        self._reader = reader
        self._batches = batches
        self._answers = {n: a for n, a in context.answers.items() if n < len(batches)}
        self._stop = threading.Event()
        self._telling = threading.Lock()

    def run(self) -> dict[int, Answer]:
        """All answers by batch number. Calls under way when something fails are awaited and saved."""
        missing = [number for number in range(len(self._batches)) if number not in self._answers]
        self._tell()
        if not missing:
            return self._answers
        # A reader that is not paid works on this machine's cores: several documents share those already.
        threads = min(self._context.max_parallel_calls, len(missing)) if self._reader.paid else 1
        with ThreadPoolExecutor(threads, thread_name_prefix="batch") as pool:
            try:
                futures = [pool.submit(self._answer_unless_stopped, number) for number in missing]
                wait(futures)
            finally:
                self._stop.set()
        _raise_worst(futures)
        return self._answers

    def _answer_unless_stopped(self, number: int) -> None:
        if self._stop.is_set():
            return
        try:
            self._answer(number)
        except BaseException:
            self._stop.set()
            raise

    def _answer(self, number: int) -> None:
        self._ports.check()
        pages = [self._load(page) for page in self._batches[number]]
        answer, call_id = self._read(number, pages)
        self._ports.save_answer(number, call_id, answer)
        self._answers[number] = answer
        self._tell()

    def _read(self, number: int, pages: list[Page]) -> tuple[Answer, str]:
        """One call, fenced where it is paid: the answer and the call's id ("" where nothing is paid)."""
        call_id = self._ports.fence(number, self._reader.model) if self._reader.paid else ""
        try:
            answer = self._reader.read(self._context, pages, number, len(self._batches))
        except Exception as error:
            if self._reader.paid:
                code = error.code if isinstance(error, DomainError) else DomainError.code
                self._ports.call_failed(number, call_id, code)
            raise
        return answer, call_id

    def _load(self, number: int) -> Page:
        try:
            page = self._ports.load_page(number)
        except KeyError as error:
            raise PermanentFailure(
                f"Page {number} of this document is no longer stored. Upload the document again.",
                code="pages_missing",
            ) from error
        if not page.jpeg.startswith(JPEG_START):  # some servers answer, and bill, a broken image
            raise PermanentFailure(
                f"The image of page {number} is damaged. Upload the document again.", code="page_damaged"
            )
        return page

    def _tell(self) -> None:
        """Progress in pages; one thread at a time, so that it never goes backwards."""
        with self._telling:
            done = sum(len(self._batches[number]) for number in list(self._answers))
            self._ports.progress("analysing", done, self._batches[-1][-1])


def _raise_worst(futures: list[Future[None]]) -> None:
    """Of several failures the one that decides: a lost claim (write nothing), then a permanent one."""
    errors = [error for future in futures if (error := future.exception()) is not None]
    if not errors:
        return
    for kind in (LostClaim, PermanentFailure):
        for error in errors:
            if isinstance(error, kind):
                raise error
    raise errors[0]
