"""Draws a PDF's pages with PDFium and encodes them as JPEG; runs in the sandboxed child only.

PDFium draws straight into one reused BGR buffer and libjpeg-turbo reads it from there: nothing is
copied, nothing is kept, whatever the number of pages.
"""

import ctypes
import math
import mmap
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2 as pdfium
import pypdfium2.raw as raw
import simplejpeg
from pypdfium2.version import PYPDFIUM_INFO

from app.pipeline.render_wire import MAX_TEXT, Cause, Frame, Head, Kind, Refused, Request, fit

JPEG_QUALITY = 80
MAX_FIELDS = 10_000
_WHITE = 0xFF
_BYTES_PER_PIXEL = 3


@dataclass
class _Canvas:
    """The one bitmap of a child. Huge pages spare most of the page faults of the first drawing."""

    memory: mmap.mmap
    address: int

    @classmethod
    def of(cls, box: tuple[int, int]) -> "_Canvas":
        memory = mmap.mmap(-1, box[0] * box[1] * _BYTES_PER_PIXEL)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        return cls(memory, ctypes.addressof(ctypes.c_char.from_buffer(memory)))


def draw(document: int, size: int, request: Request) -> Iterator[Frame]:
    """Frames for the pages from `first_page` on, of the document open as descriptor `document`."""
    with _open(document, size) as pdf:
        pdf.init_forms()  # before any page is loaded, or filled form fields stay blank
        total = len(pdf)
        if total > request.max_pages:
            raise Refused(Cause.TOO_MANY_PAGES, total)
        canvas = _Canvas.of(request.box)
        for number in range(request.first_page, total + 1):
            yield _page(pdf, number, total, request.box, canvas)


def _open(document: int, size: int) -> pdfium.PdfDocument:
    if size == 0:
        raise Refused(Cause.DAMAGED)
    data = mmap.mmap(document, size, access=mmap.ACCESS_COPY)
    try:
        return pdfium.PdfDocument((ctypes.c_char * size).from_buffer(data))
    except pdfium.PdfiumError as error:
        raise Refused(_CAUSES.get(error.err_code, Cause.DAMAGED)) from None


_CAUSES: dict[int | None, Cause] = {
    raw.FPDF_ERR_PASSWORD: Cause.ENCRYPTED,
    raw.FPDF_ERR_SECURITY: Cause.ENCRYPTED,
    raw.FPDF_ERR_SUCCESS: Cause.NO_PAGES,
}


def _page(pdf: pdfium.PdfDocument, number: int, total: int, box: tuple[int, int], canvas: _Canvas) -> Frame:
    page = _load(pdf, number)
    try:
        points = page.get_size()
        if not all(math.isfinite(side) and side > 0 for side in points):
            raise Refused(Cause.PAGE_DAMAGED, number)
        width, height = fit(points[0], points[1], box)
        jpeg = _picture(pdf, page, width, height, canvas)
        text = _text(pdf, page)
    finally:
        page.close()
    return Head(Kind.PAGE, number, total, width, height, len(jpeg), len(text)), jpeg, text


def _load(pdf: pdfium.PdfDocument, number: int) -> pdfium.PdfPage:
    """The page; form fields are counted first, for PDFium's time grows with their square."""
    if pdf.formenv:
        bare = raw.FPDF_LoadPage(pdf, number - 1)
        fields = raw.FPDFPage_GetAnnotCount(bare) if bare else 0
        raw.FPDF_ClosePage(bare)
        if fields > MAX_FIELDS:
            raise Refused(Cause.TOO_MANY_FIELDS, number)
    try:
        return pdf[number - 1]
    except pdfium.PdfiumError:
        raise Refused(Cause.PAGE_DAMAGED, number) from None


def _picture(
    pdf: pdfium.PdfDocument, page: pdfium.PdfPage, width: int, height: int, canvas: _Canvas
) -> bytes:
    stride = width * _BYTES_PER_PIXEL
    ctypes.memset(canvas.address, _WHITE, stride * height)
    bitmap = raw.FPDFBitmap_CreateEx(width, height, raw.FPDFBitmap_BGR, canvas.address, stride)
    if not bitmap:
        raise MemoryError
    try:
        where = (0, 0, width, height, 0, raw.FPDF_ANNOT)
        raw.FPDF_RenderPageBitmap(bitmap, page, *where)
        if pdf.formenv:
            raw.FPDF_FFLDraw(pdf.formenv, bitmap, page, *where)
    finally:
        raw.FPDFBitmap_Destroy(bitmap)
    pixels = memoryview(canvas.memory)[: stride * height].cast("B", (height, width, _BYTES_PER_PIXEL))
    return bytes(
        simplejpeg.encode_jpeg(pixels, quality=JPEG_QUALITY, colorspace="BGR", colorsubsampling="420")
    )


def _text(pdf: pdfium.PdfDocument, page: pdfium.PdfPage) -> bytes:
    """The page's text layer and what is filled into its form, as UTF-8 with plain line ends."""
    try:
        textpage = page.get_textpage()
    except pdfium.PdfiumError:
        return b""  # the picture is there; a page without its text layer is still a page
    try:
        text: str = textpage.get_text_bounded()
    finally:
        textpage.close()
    if pdf.formenv:
        text = "\r\n".join([text, *_filled_in(pdf.formenv, page)])
    # U+FFFE is PDFium's mark for a hyphen at the end of a line
    text = text[:MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n").replace("\ufffe", "-").replace("\0", "")
    return text.encode("utf-8", "ignore")


def _filled_in(formenv: pdfium.PdfFormEnv, page: pdfium.PdfPage) -> Iterator[str]:
    """The values of the page's text and choice fields: PDFium draws them, but its text layer lacks them."""
    for index in range(raw.FPDFPage_GetAnnotCount(page)):
        field = raw.FPDFPage_GetAnnot(page, index)
        if not field:
            continue
        if raw.FPDFAnnot_GetFormFieldType(formenv, field) in _FIELDS_WITH_TEXT:
            size = min(raw.FPDFAnnot_GetFormFieldValue(formenv, field, None, 0), MAX_TEXT)
            value = (ctypes.c_ushort * (size // 2 + 1))()
            raw.FPDFAnnot_GetFormFieldValue(formenv, field, value, size)
            if text := bytes(value).decode("utf-16-le", "ignore").rstrip("\0"):
                yield text
        raw.FPDFPage_CloseAnnot(field)


_FIELDS_WITH_TEXT = (
    raw.FPDF_FORMFIELD_TEXTFIELD,
    raw.FPDF_FORMFIELD_COMBOBOX,
    raw.FPDF_FORMFIELD_LISTBOX,
)

_TRIAL = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 400]/Contents 4 0 R
/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj
4 0 obj<</Length 40>>stream
BT /F 12 Tf 20 300 Td (Ready 012) Tj ET
endstream endobj
trailer<</Root 1 0 R>>
"""


def warm() -> None:
    """Draw one page of our own before any fork: fonts are listed, code is loaded, children only inherit.

    A sealed child can open none of the files that Python would import from, so it must miss nothing.
    """
    with tempfile.TemporaryFile() as file:
        file.write(_TRIAL)
        file.flush()
        size = os.fstat(file.fileno()).st_size
        request = Request("pdfium", (300, 400), max_pages=1, first_page=1, memory_mb=0, timeout_s=0)
        if [head.number for head, _, _ in draw(file.fileno(), size, request)] != [1]:
            raise RuntimeError("PDFium did not draw the trial page")


def version() -> str:
    """PDFium's binding, for the start's log."""
    return str(PYPDFIUM_INFO.version)
