"""What is uploaded and drawn: bodies of a size, resumes that differ, a document of thirty pages."""

import os
from io import BytesIO
from pathlib import Path

import pikepdf

ROOT = Path(__file__).resolve().parents[1]
RESUME = ROOT / "examples" / "resume.pdf"
REPORT = ROOT / "examples" / "report-10-pages.pdf"
BOUNDARY = "a-boundary-that-is-in-no-document"


def body(size: int) -> bytes:
    """A form with one file of `size` bytes that begins like a PDF; the rest cannot be compressed."""
    return form(b"%PDF-1.7\n" + os.urandom(size - 9))


def form(document: bytes, name: str = "document.pdf") -> bytes:
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/pdf\r\n\r\n"
    )
    return head.encode() + document + f"\r\n--{BOUNDARY}--\r\n".encode()


def resume(number: int) -> bytes:
    """The two-page resume, differing from every other number's: the same again would cost no work."""
    return RESUME.read_bytes() + f"\n% copy {number} {os.urandom(8).hex()}\n".encode()


def thirty_pages() -> bytes:
    """The ten-page report three times."""
    made = BytesIO()
    with pikepdf.open(REPORT) as report, pikepdf.new() as whole:
        for _ in range(3):
            whole.pages.extend(report.pages)
        whole.save(made)
    return made.getvalue()
