"""PDF documents that cost far more than they weigh, or lead in a circle: made by script, small on disk.

Each page also holds a line of text, so that what survives is read from its text layer.
"""

import io
import zlib
from collections.abc import Iterable

from tests.support.hostile import KNOWN_WORD, assembled, stream

LINE = f"BT /F 12 Tf 40 40 Td ({KNOWN_WORD} says hello to all readers) Tj ET\n".encode()
FONT = b"/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>"
CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
ONE_PAGE = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"


def page_with(
    resources: bytes = b"",
    content: bytes = b"",
    objects: Iterable[bytes] = (),
    *,
    page: bytes = b"/MediaBox[0 0 600 800]",
    catalog: bytes = b"",
    filters: bytes = b"",
    line: bytes = LINE,
) -> bytes:
    """One page with the line of text and then `content`; `objects` are numbered from 5 on."""
    return assembled(
        [
            b"<</Type/Catalog/Pages 2 0 R%b>>" % catalog,
            ONE_PAGE,
            b"<</Type/Page/Parent 2 0 R%b/Contents 4 0 R/Resources<<%b%b>>>>" % (page, FONT, resources),
            stream(line + content, filters),
            *objects,
        ]
    )


def squeezed(megabytes: int, times: int = 1, byte: bytes = b"\0") -> bytes:
    """So many megabytes of one byte, deflated `times` over, in pieces so that making it is quick."""
    packer = zlib.compressobj(9)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(byte * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = head + piece * megabytes + packer.flush()
    for _ in range(times - 1):
        data = zlib.compress(data, 9)
    return data


def image(fields: bytes, data: bytes) -> bytes:
    """A page that shows one picture, described by `fields`."""
    picture = stream(data, b"/Type/XObject/Subtype/Image" + fields)
    return page_with(b"/XObject<</I 5 0 R>>", b"q 500 0 0 500 50 100 cm /I Do Q", [picture])


def flate_image(side: int, claims: int = 0) -> bytes:
    """A raw RGB picture that inflates, twice, to side × side × 3 bytes; it may claim another side."""
    data = squeezed(side * side * 3 >> 20, times=2)
    shape = b"/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8" % ((claims or side,) * 2)
    return image(shape + b"/Filter[/FlateDecode/FlateDecode]", data)


def png_image(columns: int) -> bytes:
    """PNG's predictor with rows of any length."""
    shape = b"/Width %d/Height 60000/ColorSpace/DeviceGray/BitsPerComponent 8" % columns
    how = b"/Filter/FlateDecode/DecodeParms<</Predictor 15/Columns %d/Colors 1>>" % columns
    return image(shape + how, squeezed(8))


def tiff_image(columns: int) -> bytes:
    """TIFF's predictor with rows of any length, 32 components a pixel."""
    shape = b"/Width %d/Height 60000/ColorSpace/DeviceGray/BitsPerComponent 8" % columns
    how = (
        b"/Filter/FlateDecode/DecodeParms<</Predictor 2/Columns %d/Colors 32/BitsPerComponent 16>>" % columns
    )
    return image(shape + how, squeezed(8))


def fax_image(side: int) -> bytes:
    """CCITT group 4: a few bytes that are rows without end, as in a TIFF."""
    shape = b"/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 1" % (side, side)
    how = b"/Filter/CCITTFaxDecode/DecodeParms<</K -1/Columns %d/Rows %d>>" % (side, side)
    return image(shape + how, b"\xff" * 4000)


def jpeg_image(side: int) -> bytes:
    """A small JPEG whose header claims side × side points."""
    shape = b"/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8" % (side, side)
    return image(shape + b"/Filter/DCTDecode", jpeg_that_claims(side))


def jpx_image(side: int) -> bytes:
    """JPEG 2000: a code stream's header that claims side × side points, and nothing after it."""
    size = (side).to_bytes(4) * 2
    siz = b"\0\0" + size + b"\0" * 8 + size + b"\0" * 8 + b"\0\x01" + b"\x07\x01\x01"
    codestream = b"\xff\x4f\xff\x51" + (len(siz) + 2).to_bytes(2) + siz + b"\xff\xd9"
    return image(b"/Width %d/Height %d/Filter/JPXDecode" % (side, side), codestream)


def jbig2_image(side: int) -> bytes:
    """JBIG2: a page of side × side points and a generic region of the same size, without data."""
    size = side.to_bytes(4) * 2
    page = b"\0\0\0\0\x30\0\x01" + (19).to_bytes(4) + size + b"\0" * 8 + b"\0\0\0"
    region = b"\0\0\0\x01\x26\0\x01" + (18 + 8).to_bytes(4) + size + b"\0" * 8 + b"\0\0" + b"\xff" * 8
    shape = b"/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 1" % (side, side)
    return image(shape + b"/Filter/JBIG2Decode", page + region)


def filter_chain(length: int) -> bytes:
    """The same content wrapped in so many filters."""
    return page_with(content=b"", filters=b"/Filter[" + b"/ASCIIHexDecode" * length + b"]")


def run_length_bomb(megabytes: int) -> bytes:
    """RunLength within Flate, twice: two bytes become 128. The line of text stands before it."""
    data = zlib.compress(squeezed(megabytes >> 6, times=2, byte=b"\x81"), 9)
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents[4 0 R 5 0 R]/Resources<<%b>>>>" % FONT
    filters = b"/Filter[" + b"/FlateDecode" * 3 + b"/RunLengthDecode]"
    return assembled([CATALOG, ONE_PAGE, page, stream(LINE), stream(data, filters)])


def jpeg_that_claims(side: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG")
    plain = out.getvalue()
    start = plain.index(b"\xff\xc0") + 5
    return plain[:start] + side.to_bytes(2) * 2 + plain[start + 4 :]


def png_that_claims(side: int) -> bytes:
    """A whole PNG whose rows are deflated zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = side.to_bytes(4) * 2 + b"\x08\x02\0\0\0"
    rows = squeezed(64)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff_that_claims(side: int) -> bytes:
    """A TIFF directory with one strip that is larger than any file."""
    tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (278, side), (279, 0xFFFFFFFF)]
    entries = b"".join(
        tag.to_bytes(2, "little") + b"\x04\0\x01\0\0\0" + value.to_bytes(4, "little") for tag, value in tags
    )
    return b"II*\0\x08\0\0\0" + len(tags).to_bytes(2, "little") + entries + b"\0\0\0\0"
