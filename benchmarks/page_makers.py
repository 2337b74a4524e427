"""Three ways from a PDF to JPEGs, each in a process of its own: the service's, pdf2image's, the floor.

Reads a path and answers {"pages", "seconds", "bytes"}.

`service`: the sandboxed renderer, a child process per document. `pdf2image`: `convert_from_path` with its
defaults (200 dpi, all pages as PIL images), then each image saved as JPEG with PIL's defaults, in memory.
`floor`: PDFium and libjpeg-turbo in this very process, with no sandbox, same picture size as the service's.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path

Make = Callable[[Path], list[int]]
"""The sizes of a document's JPEGs."""


@contextmanager
def by_service() -> Iterator[Make]:
    from app.pipeline.render import RenderLimits, RenderServer, render_pages

    server = RenderServer()
    server.start()
    try:
        yield lambda path: [
            len(page.jpeg) for _, page in render_pages(server.address(), path, RenderLimits())
        ]
    finally:
        server.close()


@contextmanager
def by_pdf2image() -> Iterator[Make]:
    from pdf2image import convert_from_path

    def make(path: Path) -> list[int]:
        sizes = []
        for image in convert_from_path(path):
            jpeg = BytesIO()
            image.save(jpeg, "JPEG")
            sizes.append(jpeg.tell())
        return sizes

    yield make


@contextmanager
def by_floor() -> Iterator[Make]:
    import pypdfium2
    import pypdfium2.raw as raw
    import simplejpeg

    from app.pipeline.render import RenderLimits
    from app.pipeline.render_pdfium import JPEG_QUALITY
    from app.pipeline.render_wire import fit

    @cache
    def canvas(size: tuple[int, int]) -> pypdfium2.PdfBitmap:
        """One for all pages of a size: fresh memory costs as much as drawing."""
        return pypdfium2.PdfBitmap.new_native(*size, raw.FPDFBitmap_BGR)

    def make(path: Path) -> list[int]:
        sizes = []
        with pypdfium2.PdfDocument(path) as document:
            document.init_forms()
            for page in document:
                width, height = page.get_size()
                size = fit(width, height, RenderLimits().box)
                bitmap = canvas(size)
                bitmap.fill_rect((255, 255, 255, 255), 0, 0, *size)
                where = (0, 0, *size, 0, raw.FPDF_ANNOT)
                raw.FPDF_RenderPageBitmap(bitmap, page, *where)
                raw.FPDF_FFLDraw(document.formenv, bitmap, page, *where) if document.formenv else None
                jpeg = simplejpeg.encode_jpeg(
                    bitmap.to_numpy(), quality=JPEG_QUALITY, colorspace="BGR", colorsubsampling="420"
                )
                sizes.append(len(jpeg))
                page.close()
        return sizes

    yield make


MAKERS = {"service": by_service, "pdf2image": by_pdf2image, "floor": by_floor}


def main(kind: str) -> None:
    with MAKERS[kind]() as make:
        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            path = Path(json.loads(line))
            began = time.perf_counter()
            sizes = make(path)
            seconds = time.perf_counter() - began
            print(json.dumps({"pages": len(sizes), "seconds": seconds, "bytes": sum(sizes)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
