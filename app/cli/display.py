"""How far each document is, while it is waited for: bars on a terminal, plain lines elsewhere."""

import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from app.cli import describe
from app.cli.safe import line, tell
from app.client import ApiError, Document, Unreachable

LOST: Final = "the server is away; waiting for it to come back"
ASKED: Final = "the server asks to wait"


class Display(AbstractContextManager["Display"], Protocol):
    """`label` names a document to people; it is the same in all calls about it."""

    def note(self, label: str, text: str, percent: float | None = None) -> None:
        """Show this about it from now on."""


def sent(display: Display, label: str, done: int, size: int) -> None:
    part = min(done / size, 1.0) if size else 1.0
    display.note(label, "uploading", describe.UPLOAD_END * part)


def progress(display: Display, label: str, document: Document) -> None:
    display.note(label, describe.state(document), describe.percent(document))


def outage(display: Display, label: str, error: ApiError) -> None:
    display.note(label, LOST if isinstance(error, Unreachable) else f"{ASKED}: {line(error.code)}")


class Lines:
    """A line on standard error for each change."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def note(self, label: str, text: str, percent: float | None = None) -> None:  # noqa: ARG002
        if self._last.get(label) != text:
            self._last[label] = text
            tell(f"{line(label)}: {text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Bars:
    """A bar for each document on standard error."""

    def __init__(self, console: Console) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(max_width=32, no_wrap=True)),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=console,
        )

    def note(self, label: str, text: str, percent: float | None = None) -> None:
        if label not in self._tasks:
            self._tasks[label] = self._progress.add_task(line(label), total=100.0, note=text)
        self._progress.update(self._tasks[label], note=text, completed=percent)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


def display() -> Display:
    return Bars(Console(stderr=True, highlight=False)) if sys.stderr.isatty() else Lines()
