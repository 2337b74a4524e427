"""What the client believes of a child before it makes room for the page."""

import pytest

from app.pipeline.render_client import plausible
from app.pipeline.render_wire import Head, Kind, Request

REQUEST = Request("pdfium", (1334, 1888), 300, 1, 1536, 120.0)
GOOD = Head(Kind.PAGE, 2, 3, 1334, 1887, 500_000, 4_000)


def test_a_page_that_fits_is_believed() -> None:
    assert plausible(GOOD, 2, 3, REQUEST)
    assert plausible(GOOD._replace(width=1888, height=1334), 2, 3, REQUEST)


@pytest.mark.parametrize(
    "lie",
    [
        {"kind": 0},
        {"number": 1},
        {"number": 3},
        {"total": 2},
        {"width": 0},
        {"width": 1889},
        {"height": 0},
        {"height": 1889},
        {"jpeg_bytes": 1334 * 1887 * 3 + (1 << 16) + 1},
        {"text_bytes": 800_001},
    ],
)
def test_a_page_that_cannot_be_is_not(lie: dict[str, int]) -> None:
    assert not plausible(GOOD._replace(**lie), 2, 3, REQUEST)


def test_neither_more_pages_than_allowed_nor_than_announced() -> None:
    assert not plausible(GOOD._replace(number=301, total=301), 301, 301, REQUEST)
    assert not plausible(GOOD._replace(number=4), 4, 3, REQUEST)
