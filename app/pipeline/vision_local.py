"""The reader without a model: a page's own text, OCR where it has none, arranged by rules.

It needs no key and no network.
"""

from concurrent.futures import ThreadPoolExecutor

from app.domain.errors import PermanentFailure
from app.domain.result import Answer
from app.pipeline.local_arrange import arrange
from app.pipeline.local_ocr import OcrFailed, OcrMissing, Tesseract
from app.pipeline.ports import Context, Page

MODEL = "local-reader"
OCR_AT_ONCE = 2
MIN_LETTERS = 12
"""A text layer with fewer letters and digits is a page number or a stamp on a scan, not the page's text."""
MAX_TEXT = 1_500_000
"""Characters of one document's answers together: answers and result share a record of 16 MB."""


class LocalReader:
    """Reads pages on this machine; says in its answer that it is no model."""

    model = MODEL
    paid = False

    def __init__(self, language: str = "eng", ocr: Tesseract | None = None) -> None:
        self._ocr = ocr or Tesseract(language)

    def read(self, context: Context, pages: list[Page], batch: int, batches: int) -> Answer:  # noqa: ARG002
        """These pages' text as Markdown. The client's prompt is not followed: that takes a model."""
        with ThreadPoolExecutor(OCR_AT_ONCE, thread_name_prefix="ocr") as pool:
            texts = list(pool.map(self._text_of, pages))
        unread = [page.number for page, text in zip(pages, texts, strict=True) if text is None]
        if len(unread) == len(pages):
            self._ocr.require()
            raise PermanentFailure(
                "No page of this document could be read by OCR. Upload a clearer scan, or set OPENAI_API_KEY "
                "so that a model reads it.",
                code="ocr_failed",
            )
        known = [text for text in texts if text is not None]
        text = arrange(known, unread, introduce=batch == 0, limit=MAX_TEXT // batches)
        return Answer(text, MODEL)

    def _text_of(self, page: Page) -> str | None:
        """The page's text; None where it has none and OCR cannot help."""
        if sum(map(str.isalnum, page.text)) >= MIN_LETTERS:
            return page.text
        try:
            return self._ocr.read(page.jpeg).strip() or page.text
        except (OcrMissing, OcrFailed):
            return page.text if page.text.strip() else None

    def close(self) -> None:
        """Nothing to close; readers are closed alike."""
