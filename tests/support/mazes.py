"""PDF documents whose structure lies or leads in a circle: tables, trees, references, numbers."""

from tests.support.bombs import CATALOG, FONT, LINE, ONE_PAGE, page_with
from tests.support.hostile import assembled, stream

PLAIN_PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<<%b>>>>" % FONT


def plain() -> bytes:
    return page_with()


def xref_points_to_itself() -> bytes:
    """/Prev is the offset of the same table."""
    whole = plain()
    start = whole.rindex(b"startxref\n") + 10
    offset = whole[start : whole.index(b"\n", start)]
    return whole.replace(b"/Root 1 0 R", b"/Root 1 0 R/Prev " + offset)


def xref_ring() -> bytes:
    """Two tables, each of which is the other's /Prev."""
    whole = xref_points_to_itself()
    first = whole.rindex(b"xref\n0 ")
    again = len(whole)
    older = whole[first : whole.rindex(b"startxref")].replace(b"/Prev %d" % first, b"/Prev %d" % again)
    newer = b"xref\n0 0\ntrailer\n<</Size 5/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n" % (first, again)
    return whole[:first] + older.ljust(again - first) + newer


def xref_elsewhere(offset: int) -> bytes:
    """startxref names a place that is not one."""
    whole = plain()
    return whole[: whole.rindex(b"startxref\n")] + b"startxref\n%d\n%%%%EOF\n" % offset


def xref_false_size() -> bytes:
    """A table that claims two thousand million entries."""
    return plain().replace(b"xref\n0 5", b"xref\n0 2147483647")


def xref_stream_loop() -> bytes:
    """A cross-reference stream whose /Prev is itself, with widths larger than any number."""
    whole = plain()
    start = whole.rindex(b"xref\n0 ")
    fields = b"/Type/XRef/Size 6/W[8 8 8]/Root 1 0 R/Prev %d" % start
    table = stream(b"\xff" * 144, fields)
    return whole[:start] + b"5 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (table, start)


def page_tree(kids: bytes, count: bytes = b"1", page: bytes = PLAIN_PAGE, *more: bytes) -> bytes:
    return assembled(
        [CATALOG, b"<</Type/Pages/Kids[%b]/Count %b>>" % (kids, count), page, stream(LINE), *more]
    )


def deep_page_tree(depth: int) -> bytes:
    """One page under so many nodes."""
    nodes = [b"<</Type/Pages/Kids[%d 0 R]/Count 1/Parent %d 0 R>>" % (6 + n, 4 + n) for n in range(depth)]
    last = b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<<%b>>>>"
    return page_tree(b"5 0 R", b"1", b"null", *nodes, last % (4 + depth, FONT))


def tree_that_multiplies(width: int, depth: int) -> bytes:
    """Every node holds the next one `width` times: width ** depth pages from a few lines."""
    nodes = [
        b"<</Type/Pages/Kids[%b]/Count %d>>" % (b"%d 0 R " % (6 + n) * width, width ** (depth - n))
        for n in range(depth)
    ]
    return page_tree(b"5 0 R", b"%d" % width**depth, PLAIN_PAGE, *nodes, PLAIN_PAGE)


def parents_in_a_ring() -> bytes:
    """The page takes its box from its parents, who are each other's parent."""
    page = b"<</Type/Page/Parent 5 0 R/Contents 4 0 R/Resources<<%b>>>>" % FONT
    ring = [b"<</Type/Pages/Parent 6 0 R>>", b"<</Type/Pages/Parent 5 0 R>>"]
    return page_tree(b"3 0 R", b"1", page, *ring)


def length_in_a_ring() -> bytes:
    """The stream's length is an object that is the stream."""
    return page_with().replace(b"/Length %d" % len(LINE), b"/Length 4 0 R")


def content_in_a_ring() -> bytes:
    """/Contents is an array that holds itself."""
    page = PLAIN_PAGE.replace(b"/Contents 4 0 R", b"/Contents 5 0 R")
    return page_tree(b"3 0 R", b"1", page, b"[4 0 R 5 0 R 5 0 R]")


def object_stream_in_itself() -> bytes:
    """A compressed object stream that says of itself that it lies in itself."""
    held = stream(b"5 0 6 2 null null", b"/Type/ObjStm/N 2/First 8/Extends 5 0 R")
    return page_tree(b"3 0 R", b"1", PLAIN_PAGE, held)


def form_in_itself() -> bytes:
    form = stream(
        b"/X Do /X Do", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>"
    )
    return page_with(b"/XObject<</X 5 0 R>>", b"/X Do", [form])


def pattern_in_itself() -> bytes:
    pattern = stream(
        b"/Pattern cs /P scn 0 0 9 9 re f",
        b"/Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 9 9]/XStep 1/YStep 1"
        b"/Resources<</Pattern<</P 5 0 R>>>>",
    )
    return page_with(b"/Pattern<</P 5 0 R>>", b"/Pattern cs /P scn 0 0 600 800 re f", [pattern])


def font_in_itself() -> bytes:
    """A Type 3 font whose glyph is written in the same font."""
    font = (
        b"<</Type/Font/Subtype/Type3/FontBBox[0 0 9 9]/FontMatrix[1 0 0 1 0 0]/CharProcs<</a 6 0 R>>"
        b"/Encoding<</Type/Encoding/Differences[97/a]>>/FirstChar 97/LastChar 97/Widths[1]"
        b"/Resources<</Font<</T 5 0 R>>>>>>"
    )
    glyph = stream(b"9 0 0 0 9 9 d1 BT /T 9 Tf (aa) Tj ET")
    return page_with(b"/XObject<<>>", b"BT /T 9 Tf (a) Tj ET", [font, glyph]).replace(
        b"/Font<</F<<", b"/Font<</T 5 0 R/F<<", 1
    )


def mask_of_itself() -> bytes:
    """A picture that is its own soft mask."""
    picture = stream(
        b"\0" * 64,
        b"/Type/XObject/Subtype/Image/Width 8/Height 8/ColorSpace/DeviceGray/BitsPerComponent 8/SMask 5 0 R",
    )
    return page_with(b"/XObject<</I 5 0 R>>", b"q 99 0 0 99 50 100 cm /I Do Q", [picture])


def colours_in_a_ring() -> bytes:
    """A colour space that is based on itself."""
    return page_with(b"/ColorSpace<</C 5 0 R>>", b"/C cs 0 sc 0 0 9 9 re f", [b"[/Indexed 5 0 R 255 (abc)]"])


def function_in_itself() -> bytes:
    """A shading by a stitching function whose part is itself."""
    function = b"<</FunctionType 3/Domain[0 1]/Functions[5 0 R 5 0 R]/Bounds[0.5]/Encode[0 1 0 1]>>"
    shading = b"<</ShadingType 2/ColorSpace/DeviceGray/Coords[0 0 600 800]/Function 5 0 R>>"
    return page_with(b"/Shading<</S 6 0 R>>", b"/S sh", [function, shading])


def outlines_in_a_ring() -> bytes:
    items = [b"<</First 6 0 R/Last 6 0 R/Count 9>>", b"<</Title(x)/Parent 5 0 R/Next 6 0 R/First 6 0 R>>"]
    return page_with(objects=items, catalog=b"/Outlines 5 0 R")


def fields_in_a_ring() -> bytes:
    """Form fields that are each other's children."""
    fields = [
        b"<</FT/Tx/T(a)/Kids[6 0 R]/Parent 6 0 R>>",
        b"<</FT/Tx/T(b)/Kids[5 0 R]/Parent 5 0 R/Subtype/Widget/Rect[0 0 9 9]>>",
    ]
    page = b"/MediaBox[0 0 600 800]/Annots[5 0 R 6 0 R]"
    return page_with(objects=fields, catalog=b"/AcroForm<</Fields[5 0 R]>>", page=page)


def nested(opening: bytes, closing: bytes, depth: int) -> bytes:
    """An object inside an object inside …"""
    return page_with(objects=[opening * depth + closing * depth], catalog=b"/Names 5 0 R")


def saved_states(depth: int) -> bytes:
    """Graphics states pushed and never popped."""
    return page_with(content=b"q " * depth)


def box(*edges: object) -> bytes:
    """A page of that size."""
    sides = " ".join(str(edge) for edge in edges).encode()
    return page_with(page=b"/MediaBox[%b]" % sides)


def scripted(action: bytes) -> bytes:
    """A page that wants something done when it is opened."""
    return page_with(
        catalog=b"/OpenAction 5 0 R/AA<</WC 5 0 R>>",
        page=b"/MediaBox[0 0 600 800]/AA<</O 5 0 R>>",
        objects=[b"<</Type/Action%b>>" % action],
    )


def outside_file() -> bytes:
    """Content that is to be fetched from a file of the machine."""
    held = b"<</Length 0/F(/etc/passwd)/FFilter/ASCIIHexDecode>>stream\n\nendstream"
    page = PLAIN_PAGE.replace(b"/Contents 4 0 R", b"/Contents[4 0 R 5 0 R]")
    return page_tree(b"3 0 R", b"1", page, held)


def dashes() -> bytes:
    """A line across the world in dashes of nothing."""
    return page_with(content=b"[0.0001] 0 d 1 w 0 0 m 1000000 1000000 l S")


def tiny_tiles() -> bytes:
    """A page tiled by a pattern of a thousandth of a point."""
    pattern = stream(
        b"0 0 1 1 re f",
        b"/Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]/XStep .001/YStep .001"
        b"/Resources<<>>",
    )
    return page_with(b"/Pattern<</P 5 0 R>>", b"/Pattern cs /P scn 0 0 600 800 re f", [pattern])


def catalog_is(what: bytes) -> bytes:
    return assembled([what, ONE_PAGE, PLAIN_PAGE, stream(LINE)])
