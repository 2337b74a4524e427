"""Small pictures of pages."""

import numpy
import pytest
import simplejpeg

from app.queue.thumbnail import thumbnail


@pytest.mark.parametrize(("width", "height"), [(1334, 1888), (300, 100), (100, 140), (2400, 240)])
def test_a_page_is_shown_small_and_keeps_its_shape(width: int, height: int) -> None:
    page = simplejpeg.encode_jpeg(numpy.full((height, width, 3), 200, numpy.uint8), colorspace="BGR")
    small = thumbnail(page)
    assert small is not None
    tall, wide, *_ = simplejpeg.decode_jpeg_header(small)
    assert wide <= max(min(width, 600), 240)
    assert wide / tall == pytest.approx(width / height, rel=0.05)


def test_of_a_damaged_page_there_is_none() -> None:
    assert thumbnail(b"\xff\xd8 not a picture") is None
