"""Real documents through the real renderer: what comes out, and in which words it refuses."""

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from PIL import Image

from app.domain.errors import PermanentFailure
from app.pipeline.ports import Page
from app.pipeline.render import RenderLimits, RenderServer, render_pages
from tests.support import hostile

PDFIUM = RenderLimits(timeout_s=60)
POPPLER = replace(PDFIUM, engine="poppler")
HAS_POPPLER = all(shutil.which(tool) for tool in ("pdftoppm", "pdftotext", "pdfinfo"))
needs_poppler = pytest.mark.skipif(not HAS_POPPLER, reason="poppler-utils is not installed")
ENGINES = [pytest.param(PDFIUM, id="pdfium"), pytest.param(POPPLER, id="poppler", marks=needs_poppler)]


@pytest.fixture(scope="module")
def server() -> Iterator[RenderServer]:
    server = RenderServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def own_server() -> Iterator[RenderServer]:
    """For a test that looks at the children, of which there must be no other's."""
    server = RenderServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def pages(server: RenderServer, tmp_path: Path) -> Callable[..., list[tuple[int, Page]]]:
    def draw(document: bytes, limits: RenderLimits = PDFIUM, first_page: int = 1) -> list[tuple[int, Page]]:
        path = tmp_path / "document.pdf"
        path.write_bytes(document)
        return list(render_pages(server.address(), path, limits, first_page))

    return draw


Draw = Callable[..., list[tuple[int, Page]]]


def picture(page: Page) -> Image.Image:
    image = Image.open(io.BytesIO(page.jpeg))
    assert image.format == "JPEG"
    assert image.size == (page.width, page.height)
    return image


def ink(page: Page) -> float:
    """The share of dark points."""
    histogram = picture(page).convert("L").histogram()
    return sum(histogram[:128]) / sum(histogram)


@pytest.mark.parametrize("limits", ENGINES)
def test_pages_come_in_order_with_picture_and_text(pages: Draw, limits: RenderLimits) -> None:
    drawn = pages(hostile.text_pages(3), limits)
    assert [(total, page.number) for total, page in drawn] == [(3, 1), (3, 2), (3, 3)]
    for _, page in drawn:
        assert page.text.strip().startswith(f"{hostile.KNOWN_WORD} {page.number}\nLine 1: built")
        assert "\r" not in page.text
        assert page.width in range(1330, 1335)
        assert page.height in range(1880, 1889)
        assert 0.002 < ink(page) < 0.2


@pytest.mark.parametrize("limits", ENGINES)
def test_a_later_first_page_skips_what_is_done(pages: Draw, limits: RenderLimits) -> None:
    drawn = pages(hostile.text_pages(3), limits, first_page=3)
    assert [(total, page.number) for total, page in drawn] == [(3, 3)]
    assert drawn[0][1].text.strip().startswith(f"{hostile.KNOWN_WORD} 3")
    assert pages(hostile.text_pages(3), limits, first_page=4) == []


@pytest.mark.parametrize("limits", ENGINES)
def test_a_scan_has_a_picture_and_no_text(pages: Draw, limits: RenderLimits) -> None:
    [(_, page)] = pages(hostile.scan(), limits)
    assert page.text.strip() == ""
    assert ink(page) > 0.0001


@pytest.mark.parametrize("limits", ENGINES)
def test_a_filled_form_shows_and_tells_what_is_filled_in(pages: Draw, limits: RenderLimits) -> None:
    [(_, filled)] = pages(hostile.form(), limits)
    [(_, empty)] = pages(hostile.form(""), limits)
    assert ink(filled) > ink(empty) + 0.0005
    assert hostile.FIELD_VALUE in filled.text
    assert hostile.FIELD_VALUE not in empty.text


@pytest.mark.parametrize("limits", ENGINES)
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_page_is_drawn_turned_and_as_large(pages: Draw, limits: RenderLimits, degrees: int) -> None:
    [(_, page)] = pages(hostile.rotated(degrees), limits)
    assert (page.width > page.height) is (degrees != 180)
    assert max(page.width, page.height) in range(1880, 1889)
    assert min(page.width, page.height) in range(1330, 1335)
    assert picture(page)


@pytest.mark.parametrize("limits", ENGINES)
@pytest.mark.parametrize("document", [hostile.huge_page(), hostile.ribbon()], ids=["14400 pt", "ribbon"])
def test_no_page_is_drawn_larger_than_the_box(pages: Draw, limits: RenderLimits, document: bytes) -> None:
    [(_, page)] = pages(document, limits)
    assert page.width <= 1334
    assert page.height <= 1888
    assert picture(page)


@pytest.mark.parametrize("limits", ENGINES)
def test_pages_of_different_shapes_each_fill_the_box(pages: Draw, limits: RenderLimits) -> None:
    drawn = pages(hostile.mixed_sizes(), limits)
    assert [page.number for _, page in drawn] == [1, 2, 3, 4]
    for _, page in drawn:
        assert page.width in range(1330, 1335) or page.height in range(1330, 1335) or page.height > 1880
        assert hostile.KNOWN_WORD in page.text


@pytest.mark.parametrize("limits", ENGINES)
def test_only_what_is_meant_to_be_seen_of_a_page_is_drawn(pages: Draw, limits: RenderLimits) -> None:
    [(_, page)] = pages(hostile.cropped(), limits)
    assert 1.39 < page.width / page.height < 1.43


@pytest.mark.parametrize("limits", ENGINES)
def test_encryption_without_a_password_is_no_obstacle(pages: Draw, limits: RenderLimits) -> None:
    [(_, page)] = pages(hostile.encrypted(""), limits)
    assert hostile.KNOWN_WORD in page.text


REFUSED = {
    "password": (lambda: hostile.encrypted("secret"), "document_encrypted", "without one"),
    "cut in half": (lambda: hostile.truncated(0.5), "document_damaged", "damaged or incomplete"),
    "cut early": (lambda: hostile.truncated(0.1), "document_damaged", "damaged or incomplete"),
    "noise": (hostile.not_a_pdf, "document_damaged", "damaged or incomplete"),
    "empty file": (lambda: b"", "document_damaged", "damaged or incomplete"),
    "no pages": (hostile.no_pages, "document_damaged", ""),
    "page tree loop": (hostile.page_tree_loop, "document_damaged", "Page 1"),
    "301 pages": (lambda: hostile.text_pages(301), "too_many_pages", "301 pages, more than MAX_PAGES (300)"),
}


@pytest.mark.parametrize("limits", ENGINES)
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_drawn_is_refused_in_words(pages: Draw, limits: RenderLimits, name: str) -> None:
    make, code, words = REFUSED[name]
    with pytest.raises(PermanentFailure) as caught:
        pages(make(), limits)
    assert caught.value.code == code
    assert words in caught.value.message


BOMBS = {"deflate bomb": hostile.deflate_bomb, "endless drawing": hostile.endless_drawing}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_itself_and_nothing_else(pages: Draw, name: str) -> None:
    with pytest.raises(PermanentFailure) as caught:
        pages(BOMBS[name](), replace(PDFIUM, memory_mb=512))
    assert caught.value.code == "document_too_complex"
    assert "RENDER_MEMORY_MB" in caught.value.message
    assert "512 MB" in caught.value.message
    assert len(pages(hostile.text_pages(2))) == 2


@needs_poppler
def test_a_bomb_ends_poppler_by_the_clock(pages: Draw) -> None:
    with pytest.raises(PermanentFailure) as caught:
        pages(hostile.endless_drawing(), replace(POPPLER, timeout_s=1))
    assert caught.value.code == "document_too_complex"
    assert "RENDER_TIMEOUT_S" in caught.value.message


def test_a_page_with_too_many_fields_is_refused_before_they_cost_anything(pages: Draw) -> None:
    with pytest.raises(PermanentFailure, match="page 1 has too many form fields") as caught:
        pages(hostile.form(fields=10_001))
    assert caught.value.code == "document_too_complex"


@needs_poppler
def test_poppler_opens_what_pdfium_does_not(pages: Draw) -> None:
    [(_, page)] = pages(hostile.encrypted_with_a_false_flag())
    assert hostile.KNOWN_WORD in page.text
    assert picture(page)


def test_where_poppler_knows_no_more_the_first_answer_stands(pages: Draw) -> None:
    """Poppler calls a document without pages damaged."""
    with pytest.raises(PermanentFailure, match="has no pages"):
        pages(hostile.no_pages())


def test_memory_does_not_grow_with_the_pages(own_server: RenderServer, tmp_path: Path) -> None:
    """Neither here nor in the child, whose pages wait until they are taken."""
    path = tmp_path / "long.pdf"
    path.write_bytes(hostile.text_pages(300))
    child, early, numbers = None, (0, 0), []
    for total, page in render_pages(own_server.address(), path, PDFIUM):
        numbers.append(page.number)
        assert total == 300
        if page.number == 20:
            [child] = psutil.Process(own_server.pid()).children()
            early = (psutil.Process().memory_info().rss, child.memory_info().rss)
        if page.number == 250:
            assert child is not None
            late = (psutil.Process().memory_info().rss, child.memory_info().rss)
    assert numbers == list(range(1, 301))
    assert [after - before < 40 << 20 for before, after in zip(early, late, strict=True)] == [True, True]
