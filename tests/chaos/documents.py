"""Tiny documents, all different: a page of text each, made in microseconds."""

import re

NUMBER = re.compile(r"chaos document (\d+)")


def prompt_for(number: int) -> str:
    """Names the document in every request to the model, so that its calls can be counted there."""
    return f"This is chaos document {number}."


def number_in(text: str) -> int | None:
    """The document that a prompt (or a whole request) speaks of."""
    match = NUMBER.search(text)
    return int(match[1]) if match else None


def document(seed: int, number: int) -> bytes:
    """A one-page PDF whose text no other document has."""
    text = f"BT /F1 12 Tf 10 50 Td (Run {seed}, document {number}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    pdf = bytearray(b"%PDF-1.4\n")
    places = []
    for index, content in enumerate(objects, start=1):
        places.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (index, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size, start = len(objects) + 1, len(pdf)
    pdf += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    pdf += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
    return bytes(pdf)
