"""The local reader with the real OCR program, on a page that is only an image."""

import io
import shutil

import pytest
from PIL import Image, ImageDraw

from app.pipeline.process import process
from app.pipeline.vision import ReaderOptions, make_reader
from tests.support.pipeline_fakes import FakePorts, context, never_rendering, page

LINES = "JANE DOE\njane.doe@example.com\n\nEXPERIENCE\nEngineer at Acme"


def scan(text: str) -> bytes:
    image = Image.new("RGB", (1334, 900), "white")
    ImageDraw.Draw(image).text((80, 80), text, fill="black", font_size=44, spacing=18)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


@pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="tesseract is not installed (Debian: tesseract-ocr)"
)
def test_scanned_resume_is_read_and_arranged() -> None:
    ports = FakePorts(pages={1: page(1, jpeg=scan(LINES))})
    reader = make_reader(ReaderOptions(kind="local"))
    result = process(context(pages_done=1), ports, never_rendering, reader).result
    assert "- E-mail: jane.doe@example.com" in result
    assert "## Experience\n\nEngineer at Acme" in result
    assert ports.named("fence") == []
