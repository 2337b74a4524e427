"""What the renderer's three parties say to each other: client, fork-server, sandboxed child.

    client ─ request (JSON, with the page socket and the document's descriptors) ─► server
    child  ─ frames (a fixed head, then JPEG and text)                            ─► client
    server ─ verdict (JSON: how the child ended)                                  ─► client

The child's frames are a stranger's words: the client checks every number before it believes it.
"""

import enum
import json
import math
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple

MAX_REQUEST = 4096
MAX_VERDICT = 1024
MAX_TEXT = 200_000
"""Characters of a page's text layer that are kept."""


POPPLER_TOOLS = ("pdftoppm", "pdftotext", "pdfinfo")


class Kind(enum.IntEnum):
    """What a frame is."""

    PAGE = 1
    END = 2
    REFUSED = 3


class Cause(enum.IntEnum):
    """Why the child refused the document; a number, so that no parser's words ever travel."""

    ENCRYPTED = 1
    DAMAGED = 2
    NO_PAGES = 3
    PAGE_DAMAGED = 4
    TOO_MANY_PAGES = 5
    OUT_OF_MEMORY = 6
    TOO_MANY_FIELDS = 7
    NO_POPPLER = 8
    NO_SANDBOX = 9
    TOOL_DIED = 10


class Refused(Exception):
    """The child gives up, in the only words it has. `detail` is a page's number, a count or a signal."""

    def __init__(self, cause: Cause, detail: int = 0) -> None:
        super().__init__(cause.name)
        self.cause = cause
        self.detail = detail


_HEAD = struct.Struct("!BIIIIII")
HEAD_SIZE = _HEAD.size


class Head(NamedTuple):
    """The fixed part of a frame. For a refusal `number` is the cause and `total` its detail."""

    kind: int
    number: int = 0
    total: int = 0
    width: int = 0
    height: int = 0
    jpeg_bytes: int = 0
    text_bytes: int = 0

    def pack(self) -> bytes:
        return _HEAD.pack(*self)

    @classmethod
    def unpack(cls, data: bytes) -> "Head":
        return cls(*_HEAD.unpack(data))


Frame = tuple[Head, bytes, bytes]
"""A head, the JPEG and the text (UTF-8) that follow it."""


@dataclass(frozen=True)
class Request:
    """One document to draw. `second_try`: the engine was not asked for, do it only if it is safe."""

    engine: str
    box: tuple[int, int]
    max_pages: int
    first_page: int
    memory_mb: int
    timeout_s: float
    second_try: bool = False
    slack_s: float = 900.0
    """What the server's clock gives on top, for a client that is slow to take pages (it keeps its own)."""

    @property
    def cpu_s(self) -> int:
        return math.ceil(self.timeout_s) + 1

    @property
    def wall_s(self) -> float:
        return self.timeout_s + self.slack_s

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> "Request":
        fields = json.loads(data)
        return cls(**{**fields, "box": tuple(fields["box"])})


@dataclass(frozen=True)
class Verdict:
    """How a child ended, as the server saw it. `end` is `exit`, `signal` or `wall`."""

    end: str
    number: int = 0
    cpu_s: float = 0.0

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> "Verdict":
        return cls(**json.loads(data))


def fit(
    width: float, height: float, box: tuple[int, int], rounded: Callable[[float], int] = round
) -> tuple[int, int]:
    """A page's size in pixels: as large as the box allows, its shape kept.

    The box is turned with the page: a landscape page gets as many pixels as a portrait one (and costs
    a model the same). Only the box decides how large a picture gets, never the page's own measure.
    """
    across, down = box if height >= width else (box[1], box[0])
    scale = min(across / width, down / height)
    return max(1, min(across, rounded(width * scale))), max(1, min(down, rounded(height * scale)))
