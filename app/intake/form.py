"""The multipart body as it arrives: bytes in, (part, data) out. Keeps nothing but the current chunk."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.intake.errors import FileMissing, MalformedForm, TooManyParts

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELDS: Final = 10
SLACK: Final = 2
"""So many times as many files as are taken are told one by one that they are too many."""
EXTENDED_NAME: Final = re.compile(rb"filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)


@dataclass(eq=False)
class Part:
    """One field of the form. `filename` is None where the client named none."""

    name: str
    filename: str | None


Event = tuple[Part, bytes | None]
"""Data of a part, or None at its end."""


class FormParser:
    """Feeds python-multipart's parser and collects what it calls back."""

    def __init__(self, content_type: str | None, max_files: int = 1) -> None:
        self._parser = MultipartParser(_boundary(content_type), self._callbacks())
        self._events: list[Event] = []
        self._headers: dict[bytes, bytes] = {}
        self._field = bytearray()
        self._value = bytearray()
        self._part: Part | None = None
        self._fields = MAX_FIELDS
        self._files = max_files * SLACK
        """How many more of each may come."""
        self._complete = False

    def feed(self, chunk: bytes) -> list[Event]:
        """What `chunk` adds."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedForm() from error
        events, self._events = self._events, []
        return events

    def finish(self) -> None:
        """The body has ended; raises MalformedForm when the form had not."""
        if not self._complete:
            raise MalformedForm()

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self._headers.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise MalformedForm()
        self._count(options[b"name"])
        filename = options.get(b"filename")
        if filename is None and (extended := EXTENDED_NAME.search(disposition)):
            filename = unquote_to_bytes(extended[1])
        self._part = Part(_text(options[b"name"]), None if filename is None else _text(filename))

    def _count(self, name: bytes) -> None:
        if name == b"file":
            self._files -= 1
        else:
            self._fields -= 1
        if self._files < 0 or self._fields < 0:
            raise TooManyParts()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part is not None:
            self._events.append((self._part, data[start:end]))

    def _on_part_end(self) -> None:
        if self._part is not None:
            self._events.append((self._part, None))

    def _on_end(self) -> None:
        self._complete = True


def _boundary(content_type: str | None) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise FileMissing()
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 200:
        raise MalformedForm()
    return boundary


def _text(raw: bytes) -> str:
    """UTF-8 as browsers send it, else what every byte can be read as."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
