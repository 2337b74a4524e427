"""Draws a PDF's pages with poppler's own programs; runs in a sealed conductor, the tools sealed further.

pdfinfo tells sizes, then pdftotext and pdftoppm run once over the pages and are read as they write:
nothing touches a disk and at most one page waits. The tools read the document from standard input,
so that they may open no file of ours. (Why not pdf2image: docs/decisions/0003-renderer-sandbox.md.)
"""

import itertools
import math
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import simplejpeg

from app.pipeline.render_child import Files
from app.pipeline.render_pdfium import JPEG_QUALITY
from app.pipeline.render_wire import MAX_TEXT, Cause, Frame, Head, Kind, Refused, Request, fit
from app.pipeline.sandbox import Sandbox
from app.pipeline.sandbox_exec import ExecGate

_CHUNK = 1 << 16
_MAX_INFO = 4 << 20
_MAX_JPEG = 64 << 20
_END_OF_JPEG = b"\xff\xd9"
_END_OF_PAGE = b"\f"
_MOST_BYTES_A_CHARACTER = 4

_PAGES = re.compile(rb"^Pages: +(\d+)$", re.MULTILINE)
_SIZE = re.compile(rb"^Page +(\d+) size: +([0-9.e+]+) x ([0-9.e+]+) pts", re.MULTILINE)
_ROTATION = re.compile(rb"^Page +(\d+) rot: +(\d+)$", re.MULTILINE)


@dataclass
class _Tool:
    """A running program and what it has written so far."""

    process: int
    output: int
    pending: bytearray

    def read_until(self, mark: bytes, most: int) -> bytes | None:
        """The next piece up to `mark`, None at the end; of a longer one than `most` only its beginning."""
        kept = bytearray()
        while True:
            found = self.pending.find(mark)
            if found >= 0:
                kept += self.pending[:found]
                del self.pending[: found + len(mark)]
                return bytes(kept[:most])
            settled = max(0, len(self.pending) - len(mark) + 1)  # the rest may be a mark's beginning
            if len(kept) < most:
                kept += self.pending[:settled]
            del self.pending[:settled]
            chunk = os.read(self.output, _CHUNK)
            if not chunk:
                return None
            self.pending += chunk

    def read_all(self, most: int) -> bytes:
        """Everything it says, up to `most` bytes."""
        said = bytearray()
        while len(said) < most and (chunk := os.read(self.output, _CHUNK)):
            said += chunk
        return bytes(said)

    def end(self) -> int:
        """Wait for it; its exit status. A death by signal refuses the document."""
        os.close(self.output)
        _, status = os.waitpid(self.process, 0)
        code = os.waitstatus_to_exitcode(status)
        if code < 0 and -code != signal.SIGPIPE:
            raise Refused(Cause.TOOL_DIED, -code)
        return code


@dataclass(frozen=True)
class Poppler:
    """`tools` are the programs' paths by name."""

    tools: dict[str, str]
    gate: ExecGate
    sandbox: Sandbox

    def draw(self, request: Request, files: Files) -> Iterator[Frame]:
        sizes = self._sizes(request, files)
        first, total = request.first_page, len(sizes)
        if first > total:
            return
        span = ["-f", str(first), "-l", str(total)]
        texts = self._start("pdftotext", [*span, "-enc", "UTF-8", "-", "-"], files.document_again)
        sides = [_longer_side(size, request.box) for size in sizes]
        for side, run in itertools.groupby(range(first, total + 1), lambda number: sides[number - 1]):
            numbers = list(run)
            pictures = self._start("pdftoppm", _arguments(numbers, side), files.document)
            for number in numbers:
                jpeg = pictures.read_until(_END_OF_JPEG, _MAX_JPEG)
                if jpeg is None:
                    pictures.end()
                    raise Refused(Cause.PAGE_DAMAGED, number)
                jpeg += _END_OF_JPEG
                height, width, _, _ = simplejpeg.decode_jpeg_header(jpeg)
                text = _next_text(texts)
                yield Head(Kind.PAGE, number, total, width, height, len(jpeg), len(text)), jpeg, text
            pictures.end()

    def _sizes(self, request: Request, files: Files) -> list[tuple[float, float]]:
        """The pages' sizes as they are seen (turned), in points."""
        asked = ["-f", "1", "-l", str(request.max_pages), "-"]
        tool = self._start("pdfinfo", asked, files.document, errors=True)
        said = tool.read_all(_MAX_INFO)
        counts = _PAGES.findall(said)
        if tool.end() != 0 or not counts:
            raise Refused(Cause.ENCRYPTED if b"Incorrect password" in said else Cause.DAMAGED)
        total = int(counts[-1])  # the last: a title may hold a line that looks like it, and stands before
        if total == 0:
            raise Refused(Cause.NO_PAGES)
        if total > request.max_pages:
            raise Refused(Cause.TOO_MANY_PAGES, total)
        sizes = {int(page): (float(across), float(down)) for page, across, down in _SIZE.findall(said)}
        turned = {int(page) for page, degrees in _ROTATION.findall(said) if int(degrees) % 180}
        return [_seen(sizes, turned, number) for number in range(1, total + 1)]

    def _start(self, name: str, arguments: list[str], document: int, errors: bool = False) -> _Tool:
        os.lseek(document, 0, os.SEEK_SET)
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            try:
                self._become(self.tools[name], arguments, document, writing, errors)
            finally:
                os._exit(1)
        os.close(writing)
        return _Tool(process, reading, bytearray())

    def _become(self, program: str, arguments: list[str], document: int, writing: int, errors: bool) -> None:
        os.dup2(document, 0)
        os.dup2(writing, 1)
        if errors:
            os.dup2(writing, 2)
        os.closerange(3, 64)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        self.sandbox.become_tool()
        self.gate.execute(program, arguments)


def _seen(sizes: dict[int, tuple[float, float]], turned: set[int], number: int) -> tuple[float, float]:
    across, down = sizes.get(number, (0.0, 0.0))
    if across <= 0 or down <= 0:
        raise Refused(Cause.PAGE_DAMAGED, number)
    return (down, across) if number in turned else (across, down)


def _longer_side(size: tuple[float, float], box: tuple[int, int]) -> int:
    """pdftoppm's -scale-to, which is the same whether its version turns a page before or after scaling."""
    return max(fit(size[0], size[1], box, rounded=math.floor))


def _arguments(numbers: list[int], longer_side: int) -> list[str]:
    span = ["-f", str(numbers[0]), "-l", str(numbers[-1]), "-scale-to", str(longer_side)]
    return [*span, "-cropbox", "-jpeg", "-jpegopt", f"quality={JPEG_QUALITY}", "-"]


def _next_text(texts: _Tool) -> bytes:
    """The next page's text; when pdftotext has ended early there is none."""
    piece = texts.read_until(_END_OF_PAGE, MAX_TEXT * _MOST_BYTES_A_CHARACTER) or b""
    return piece.decode("utf-8", "ignore")[:MAX_TEXT].replace("\0", "").encode()
