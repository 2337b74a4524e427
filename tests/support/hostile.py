"""Documents that try something: made by script, the same bytes each time, small on disk."""

import io
import random
import re
import zlib

import pikepdf
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

KNOWN_WORD = "Zimtstern"
FIELD_VALUE = "Filled by hand"


def text_pages(pages: int = 2, size: tuple[float, float] = A4) -> bytes:
    """Plain pages with a text layer; the first line of page n is `Zimtstern n`."""
    out = io.BytesIO()
    sheet = canvas.Canvas(out, pagesize=size, invariant=1)
    for number in range(1, pages + 1):
        sheet.drawString(72, size[1] - 72, f"{KNOWN_WORD} {number}")
        for line in range(1, 20):
            sheet.drawString(
                72, size[1] - 72 - 20 * line, f"Line {line}: built and ran things, 2019 to 2024."
            )
        sheet.showPage()
    sheet.save()
    return out.getvalue()


def scan() -> bytes:
    """One page that is a picture only: no text layer."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (600, 850), "white")
    ImageDraw.Draw(picture).text((60, 60), KNOWN_WORD, fill="black")
    out = io.BytesIO()
    sheet = canvas.Canvas(out, pagesize=A4, invariant=1)
    sheet.drawImage(ImageReader(picture), 0, 0, *A4)
    sheet.save()
    return out.getvalue()


def form(value: str = FIELD_VALUE, fields: int = 1) -> bytes:
    """Text fields filled in, their appearance left for the reader to draw."""
    pdf = pikepdf.new()
    page = pdf.add_blank_page(page_size=A4)
    helvetica = pikepdf.Dictionary(
        Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
    )
    resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(Helv=pdf.make_indirect(helvetica)))
    made = [
        pdf.make_indirect(
            pikepdf.Dictionary(
                Type=pikepdf.Name.Annot,
                Subtype=pikepdf.Name.Widget,
                FT=pikepdf.Name.Tx,
                T=f"field{number}",
                V=value,
                DA="/Helv 24 Tf 0 g",
                Rect=[72, 600, 500, 640],
                F=4,
            )
        )
        for number in range(fields)
    ]
    page.Annots = pikepdf.Array(made)
    pdf.Root.AcroForm = pikepdf.Dictionary(
        Fields=pikepdf.Array(made), DR=resources, DA="/Helv 24 Tf 0 g", NeedAppearances=True
    )
    return _saved(pdf)


def rotated(degrees: int) -> bytes:
    """An A4 page (portrait) whose /Rotate turns it."""
    pdf = pikepdf.open(io.BytesIO(text_pages(1)))
    pdf.pages[0].Rotate = degrees
    return _saved(pdf)


def mixed_sizes() -> bytes:
    """Four pages: A4, landscape, narrow, A4 again; each with a line of text."""
    pdf = pikepdf.new()
    for size in (A4, (842, 595), (300, 800), A4):
        pdf.pages.extend(pikepdf.open(io.BytesIO(text_pages(1, size))).pages)
    return _saved(pdf)


def cropped() -> bytes:
    """An A4 page of which only the upper half is meant to be seen."""
    pdf = pikepdf.open(io.BytesIO(text_pages(1)))
    pdf.pages[0].CropBox = [0, 421, 595, 842]
    return _saved(pdf)


def huge_page() -> bytes:
    """14,400 points a side: at 200 dpi a picture of 4.8 GB."""
    return text_pages(1, (14_400, 14_400))


def ribbon() -> bytes:
    """Extremely tall and narrow."""
    return text_pages(1, (10, 14_400))


def encrypted(user: str) -> bytes:
    """`user` is what has to be typed to open it; empty: opens without asking, but the bytes are encrypted."""
    pdf = pikepdf.open(io.BytesIO(text_pages(1)))
    out = io.BytesIO()
    pdf.save(out, encryption=pikepdf.Encryption(user=user, owner="owner", R=6))
    return out.getvalue()


def encrypted_with_a_false_flag() -> bytes:
    """Opens without a password, but its permissions are not the sealed ones: PDFium refuses, poppler not."""
    return re.sub(rb"/P -\d+", b"/P 0", encrypted(""))


def truncated(share: float = 0.5) -> bytes:
    """Only the beginning of a document whose pages stand at its end, in a compressed object stream."""
    pdf = pikepdf.open(io.BytesIO(text_pages(5)))
    out = io.BytesIO()
    pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate, static_id=True)
    whole = out.getvalue()
    return whole[: int(len(whole) * share)]


def deflate_bomb(gigabytes: int = 10) -> bytes:
    """A page whose content stream inflates to gigabytes: deflate within deflate, some kilobytes on disk."""
    packer = zlib.compressobj(9)
    beginning = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(b" " * (16 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    once = beginning + piece * (gigabytes * 64) + packer.flush()
    return _raw_page(zlib.compress(once, 9), b"/Filter[/FlateDecode/FlateDecode]")


def no_pages() -> bytes:
    """A well-formed document with an empty page tree."""
    return assembled(
        [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>"],
    )


def page_tree_loop() -> bytes:
    """A page tree that contains itself and claims pages."""
    return assembled(
        [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2/Parent 2 0 R>>"]
    )


def false_count() -> bytes:
    """One page that claims to be ten million."""
    return text_pages(1).replace(b"/Count 1", b"/Count 9999999")


def endless_drawing(operations: int = 60_000) -> bytes:
    """A form that draws a form that draws …: exponential work from a page of text."""
    depth = 12
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</XObject<</X 5 0 R>>>>/Contents 4 0 R>>",
        stream(b"/X Do " * 10),
    ]
    for level in range(depth):
        below = 6 + level
        body = b"/X Do " * 10 if level < depth - 1 else b"0 0 m 600 800 l S " * (operations // 1000)
        resources = b"/Resources<</XObject<</X %d 0 R>>>>" % below if level < depth - 1 else b""
        objects.append(stream(body, b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]" + resources))
    return assembled(objects)


def not_a_pdf() -> bytes:
    """The signature and then noise."""
    return b"%PDF-1.7\n" + random.Random(7).randbytes(5000)


def _raw_page(content: bytes, extra: bytes) -> bytes:
    return assembled(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R>>",
            stream(content, extra),
        ]
    )


def stream(content: bytes, extra: bytes = b"") -> bytes:
    return b"<<%b/Length %d>>stream\n%b\nendstream" % (extra, len(content), content)


def assembled(objects: list[bytes]) -> bytes:
    """A file with a correct cross-reference table; the first object is the catalog."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _saved(pdf: pikepdf.Pdf) -> bytes:
    out = io.BytesIO()
    pdf.save(out, static_id=True)
    return out.getvalue()
