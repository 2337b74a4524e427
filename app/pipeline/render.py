"""Pages from a document: the door to the renderer for everybody else.

Drawing happens in a sandboxed child of a fork-server (`RenderServer`); `render_pages` asks it for
one document and gives the pages one by one. PDFium draws; poppler is the second try where PDFium
cannot open a file, and the first where it was chosen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.pipeline.ports import Page
from app.pipeline.render_client import Refusal, converse
from app.pipeline.render_process import RendererNotStarted, RenderServer
from app.pipeline.render_wire import Cause, Request

__all__ = ["RenderLimits", "RenderServer", "RendererNotStarted", "render_pages"]

_POPPLER_MAY_KNOW = (Cause.ENCRYPTED, Cause.DAMAGED, Cause.NO_PAGES)
_POPPLER_KNOWS_NO_MORE = (
    Cause.ENCRYPTED,
    Cause.DAMAGED,
    Cause.NO_PAGES,
    Cause.PAGE_DAMAGED,
    Cause.NO_POPPLER,
)


@dataclass(frozen=True)
class RenderLimits:
    """What a document may cost, and how large (in pixels) its pages become."""

    max_pages: int = 300
    box: tuple[int, int] = (1334, 1888)
    timeout_s: float = 120.0
    memory_mb: int = 1536
    engine: str = "pdfium"


def render_pages(
    address: str, path: Path, limits: RenderLimits, first_page: int = 1
) -> Iterator[tuple[int, Page]]:
    """(pages in all, page) in order, from `first_page` on; the next page waits until this one is taken.

    Raises PermanentFailure (document_encrypted, document_damaged, too_many_pages,
    document_too_complex) or TransientFailure (renderer_unavailable).
    """
    request = Request(
        engine=limits.engine,
        box=limits.box,
        max_pages=limits.max_pages,
        first_page=first_page,
        memory_mb=limits.memory_mb,
        timeout_s=limits.timeout_s,
    )
    try:
        yield from converse(address, path, request)
    except Refusal as refusal:
        if request.engine == "poppler" or refusal.cause not in _POPPLER_MAY_KNOW:
            raise refusal.failure from None
        yield from _second_try(address, path, replace(request, engine="poppler", second_try=True), refusal)


def _second_try(address: str, path: Path, request: Request, first: Refusal) -> Iterator[tuple[int, Page]]:
    """Poppler opens some files that PDFium does not; where it does not either, the first answer stands."""
    try:
        yield from converse(address, path, request)
    except Refusal as second:
        raise (first if second.cause in _POPPLER_KNOWS_NO_MORE else second).failure from None
