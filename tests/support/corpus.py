"""Hostile and broken files, each with the code in which it must end: the same bytes each time.

`CASES` is the table. A case is posted as it stands in a form that is written by hand, because no
well-behaved client would send some of these names.
"""

import gzip
import io
import shutil
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tests.support import bombs, hostile, mazes

DONE: Final = "done"
DAMAGED: Final = "document_damaged"
ENCRYPTED: Final = "document_encrypted"
COMPLEX: Final = "document_too_complex"
MANY: Final = "too_many_pages"
NO_PDF: Final = "unsupported_type"
POPPLER: Final = shutil.which("pdftoppm") is not None
BLANK: Final = "ocr_unavailable"
"""Of a page that can be drawn and shows nothing, where there is no OCR."""
BOUNDARY: Final = b"frontier-7f3a"
MAX_MB: Final = 2
"""The upload limit that the table assumes."""
LONGEST_NAME: Final = 255


@dataclass(frozen=True)
class Case:
    """One file. `shown` is the name that it must get, where that is the point."""

    name: str
    make: Callable[[], bytes] = field(repr=False)
    code: str
    filename: bytes = b"document.pdf"
    shown: str | None = None

    def form(self) -> bytes:
        """The multipart body."""
        head = b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n'
        return head % (BOUNDARY, self.filename) + self.make() + b"\r\n--%b--\r\n" % BOUNDARY


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def zip_bomb() -> bytes:
    """Zip in zip: 64 MB in some hundred bytes."""
    return zipped("inner.zip", zipped("zeros", b"\0" * (64 << 20)))


def in_a_jpeg() -> bytes:
    """A JPEG with a document in its comment, which begins within the first kilobyte."""
    document = mazes.plain()
    comment = b"\xff\xfe" + (len(document) + 2).to_bytes(2) + document
    picture = bombs.jpeg_that_claims(16)
    return picture[:2] + comment + picture[2:]


def cut(percent: int) -> bytes:
    return hostile.truncated(percent / 100)


def _wrong_types() -> list[Case]:
    names = {
        "empty": (lambda: b"", "file_empty"),
        "larger than allowed": (lambda: b"%PDF-1.7\n" + b"\0" * (MAX_MB << 20), "file_too_large"),
        "PNG bomb": (lambda: bombs.png_that_claims(65_000), NO_PDF),
        "JPEG bomb": (lambda: bombs.jpeg_that_claims(65_500), NO_PDF),
        "TIFF bomb": (lambda: bombs.tiff_that_claims(65_500), NO_PDF),
        "zip bomb": (zip_bomb, NO_PDF),
        "gzip bomb": (lambda: gzip.compress(b"\0" * (32 << 20), mtime=0), NO_PDF),
        "zlib of a PDF": (lambda: zlib.compress(mazes.plain()), NO_PDF),
        "Word document": (lambda: zipped("word/document.xml", b"<w:document/>"), NO_PDF),
        "old Word document": (lambda: bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 2048, NO_PDF),
        "page of HTML": (lambda: b"<script>alert(1)</script>" * 50, NO_PDF),
        "SVG that fetches": (lambda: b'<svg><image href="http://127.0.0.1/"/></svg>' * 40, NO_PDF),
        "PostScript": (lambda: b"%!PS-Adobe-3.0\n(/etc/passwd)(r)file" * 40, NO_PDF),
        "program": (lambda: b"\x7fELF\x02\x01\x01" + b"\0" * 2048, NO_PDF),
        "signature too late": (lambda: b" " * 1024 + mazes.plain(), NO_PDF),
        "UTF-16 signature": (lambda: "%PDF-1.7\n".encode("utf-16") * 100, NO_PDF),
        "signature in small letters": (lambda: mazes.plain().replace(b"%PDF-", b"%pdf-"), NO_PDF),
    }
    return [Case(name, make, code) for name, (make, code) in names.items()]


def _polyglots() -> list[Case]:
    whole = mazes.plain()
    return [
        Case("PDF, then a zip", lambda: whole + zip_bomb(), DONE),
        Case("PDF in a JPEG's comment", in_a_jpeg, DONE),
        Case("shell script, then a PDF", lambda: b"#!/bin/sh\nrm -rf /\nexit\n" + whole, DONE),
        Case("HTML, then a PDF", lambda: b"<html><script>alert(1)</script>" + whole, DONE),
        Case("PNG's signature, then a PDF", lambda: b"\x89PNG\r\n\x1a\n" + whole, DONE),
        Case("PDF twice", lambda: whole + whole, DONE),
        Case("named as a picture", lambda: whole, DONE, b"holiday.jpg", "holiday.jpg"),
        Case("named as a program", lambda: whole, DONE, b"resume.pdf.exe", "resume.pdf.exe"),
        Case("picture named as a PDF", lambda: bombs.png_that_claims(9), NO_PDF),
    ]


def _names() -> list[Case]:
    names: dict[str, tuple[bytes, str]] = {
        "parent folders": (b"../../../../etc/cron.d/x.pdf", "x.pdf"),
        "parent folders, escaped": (b"..%2f..%2fx.pdf", "%2f..%2fx.pdf"),
        "only parent folders": (b"../../..", "document"),
        "Windows folders": (rb"C:\\Windows\\..\\x.pdf", "x.pdf"),
        "absolute": (b"/etc/passwd", "passwd"),
        "NUL": (b"x.pdf\0.exe", "x.pdf.exe"),
        "right-to-left mark": ("gpj\u202efdp.exe".encode(), "gpjfdp.exe"),
        "isolates and joiners": ("a\u2066b\u2069\u200bc\ufeff.pdf".encode(), "abc.pdf"),
        "4,000 characters": (b"a" * 3996 + b".pdf", "a" * 251 + ".pdf"),
        "800 emoji": ("🙂".encode() * 800 + b".pdf", "🙂" * 251 + ".pdf"),
        "bell and escape": (b"a\x07\x1b[31mb.pdf", "a[31mb.pdf"),
        "not UTF-8": (b"\xff\xfe.pdf", "ÿþ.pdf"),
        "markup": (b"<img src=x onerror=alert(1)>.pdf", "<img src=x onerror=alert(1)>.pdf"),
        "shell": (b"$(reboot);`id`|x.pdf", "$(reboot);`id`|x.pdf"),
        "database operator": (b"$where", "$where"),
        "a device": (b"CON.pdf", "CON.pdf"),
        "blanks and dots": (b" . . ", "document"),
    }
    return [
        Case("name: 40,000 characters", mazes.plain, "malformed_multipart", b"a" * 40_000),
        *(Case(f"name: {what}", mazes.plain, DONE, raw, shown) for what, (raw, shown) in names.items()),
    ]


def _broken() -> list[Case]:
    return [
        *(Case(f"cut at {percent} %", partial(cut, percent), DAMAGED) for percent in CUTS),
        Case("signature alone", lambda: b"%PDF-", DAMAGED),
        Case("noise", hostile.not_a_pdf, DAMAGED),
        Case("no pages", hostile.no_pages, DAMAGED),
        Case("page tree loop", hostile.page_tree_loop, DAMAGED),
        Case("false count", hostile.false_count, DONE),
        Case("301 pages", lambda: hostile.text_pages(301), MANY),
        Case("user password", lambda: hostile.encrypted("secret"), ENCRYPTED),
        Case("owner password only", lambda: hostile.encrypted(""), DONE),
        Case("false permissions", hostile.encrypted_with_a_false_flag, DONE if POPPLER else ENCRYPTED),
        Case("huge page", hostile.huge_page, DONE),
        Case("ribbon", hostile.ribbon, BLANK),
        Case("10,001 form fields", lambda: hostile.form(fields=10_001), COMPLEX),
        Case("endless drawing", hostile.endless_drawing, COMPLEX),
    ]


CUTS: Final = range(10, 100, 10)


def _bombs() -> list[Case]:
    made: dict[str, tuple[Callable[[], bytes], str]] = {
        "deflate bomb": (hostile.deflate_bomb, COMPLEX),
        "RunLength bomb": (lambda: bombs.run_length_bomb(1024), DONE),
        "filters, 1,000 deep": (lambda: bombs.filter_chain(1000), DONE),
        "image of 192 MB": (lambda: bombs.flate_image(8_000), DONE),
        "image that claims 30 GB": (lambda: bombs.flate_image(8_000, claims=100_000), DONE),
        "PNG rows of 500 MB": (lambda: bombs.png_image(500_000_000), DONE),
        "TIFF rows of 2 GB": (lambda: bombs.tiff_image(30_000_000), DONE),
        "fax of 16,000 rows": (lambda: bombs.fax_image(16_000), DONE),
        "fax of 10⁹ rows": (lambda: bombs.fax_image(10**9), DONE),
        "JPEG of 65,500 points a side": (lambda: bombs.jpeg_image(65_500), DONE),
        "JPEG 2000 of 2³¹ points a side": (lambda: bombs.jpx_image(2**31 - 1), DONE),
        "JBIG2 of 2³² points a side": (lambda: bombs.jbig2_image(2**32 - 1), DONE),
    }
    return [Case(name, make, code) for name, (make, code) in made.items()]


def _mazes() -> list[Case]:
    made: dict[str, tuple[Callable[[], bytes], str]] = {
        "xref that points to itself": (mazes.xref_points_to_itself, DONE),
        "xref ring": (mazes.xref_ring, DONE),
        "xref beyond the end": (lambda: mazes.xref_elsewhere(10**12), DONE),
        "xref before the beginning": (lambda: mazes.xref_elsewhere(-1), DONE),
        "xref of two thousand million": (mazes.xref_false_size, DONE),
        "xref stream loop": (mazes.xref_stream_loop, DONE),
        "no catalog": (lambda: mazes.catalog_is(b"null"), DAMAGED),
        "catalog that is the catalog": (lambda: mazes.catalog_is(b"1 0 R"), DAMAGED),
        "pages that are the catalog": (lambda: mazes.catalog_is(b"<</Type/Catalog/Pages 1 0 R>>"), BLANK),
        "page that is no page": (lambda: mazes.page_tree(b"4 0 R"), BLANK),
        "page that is not there": (lambda: mazes.page_tree(b"99 0 R"), DAMAGED),
        "count below zero": (lambda: mazes.page_tree(b"3 0 R", b"-5"), DONE),
        "count of 10³⁰": (lambda: mazes.page_tree(b"3 0 R", b"1" + b"0" * 30), DONE),
        "page tree 10,000 deep": (lambda: mazes.deep_page_tree(10_000), DAMAGED),
        "page tree of 10¹² pages": (lambda: mazes.tree_that_multiplies(10, 12), DAMAGED),
        "100,000 times the same page": (lambda: mazes.page_tree(b"3 0 R " * 100_000, b"100000"), MANY),
        "parents in a ring": (mazes.parents_in_a_ring, DONE),
        "length in a ring": (mazes.length_in_a_ring, DONE),
        "content in a ring": (mazes.content_in_a_ring, DONE),
        "object stream in itself": (mazes.object_stream_in_itself, DONE),
        "form in itself": (mazes.form_in_itself, COMPLEX),
        "pattern in itself": (mazes.pattern_in_itself, COMPLEX),
        "font in itself": (mazes.font_in_itself, DONE),
        "picture masked by itself": (mazes.mask_of_itself, DONE),
        "colours in a ring": (mazes.colours_in_a_ring, DONE),
        "function in itself": (mazes.function_in_itself, DONE),
        "outlines in a ring": (mazes.outlines_in_a_ring, DONE),
        "form fields in a ring": (mazes.fields_in_a_ring, DONE),
    }
    return [Case(name, make, code) for name, (make, code) in made.items()]


def _depths() -> list[Case]:
    made: dict[str, tuple[Callable[[], bytes], str]] = {
        "100,000 nested lists": (lambda: mazes.nested(b"[", b"]", 100_000), DONE),
        "100,000 nested dictionaries": (lambda: mazes.nested(b"<</A", b">>", 100_000), DONE),
        "500,000 saved states": (lambda: mazes.saved_states(500_000), DONE),
        "dashes without end": (mazes.dashes, DONE),
        "tiles of a thousandth": (mazes.tiny_tiles, COMPLEX),
        "content from /etc/passwd": (mazes.outside_file, DONE),
        "script": (lambda: mazes.scripted(b"/S/JavaScript/JS(while(1){app.alert(1)})"), DONE),
        "program to start": (lambda: mazes.scripted(b"/S/Launch/F(/bin/sh)"), DONE),
        "address to call": (lambda: mazes.scripted(b"/S/URI/URI(http://127.0.0.1/)"), DONE),
    }
    boxes: dict[str, tuple[tuple[object, ...], str]] = {
        "without area": ((0, 0, 0, 0), DONE),
        "turned inside out": ((600, 800, 0, 0), DONE),
        "of 10³⁰ points": ((0, 0, "1" + "0" * 30, "1" + "0" * 30), DONE),
        "that is no number": ((0, 0, "nan", "inf"), DONE),
        "of words": (("/A", "(b)", "<<>>", "null"), DONE),
        "of a millionth": ((0, 0, ".000001", ".000001"), BLANK),
    }
    return [
        *(Case(name, make, code) for name, (make, code) in made.items()),
        *(Case(f"box {name}", partial(mazes.box, *edges), code) for name, (edges, code) in boxes.items()),
    ]


CASES: Final = [*_wrong_types(), *_polyglots(), *_names(), *_broken(), *_bombs(), *_mazes(), *_depths()]
