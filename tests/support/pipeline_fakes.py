"""In-memory stand-ins of what the pipeline meets: the worker's ports, a renderer, a reader."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.result import Answer, Usage
from app.pipeline.ports import Context, Page

TINY_JPEG = b"\xff\xd8\xff\xd9"


def page(number: int, text: str = "", jpeg: bytes = TINY_JPEG) -> Page:
    return Page(number, jpeg, 10, 10, text)


def context(**changes: object) -> Context:
    """A context of two pages a call; any field may be changed."""
    fields: dict[str, object] = {
        "file_id": "f" * 24,
        "name": "cv.pdf",
        "path": Path("cv.pdf"),
        "pages_per_call": 2,
    }
    return Context(**(fields | changes))  # type: ignore[arg-type]


def rendering(count: int) -> Callable[[Path], Iterator[tuple[int, Page]]]:
    """A renderer of `count` pages with a text each."""

    def render(_path: Path) -> Iterator[tuple[int, Page]]:
        for number in range(1, count + 1):
            yield count, page(number, f"text of page {number}")

    return render


def never_rendering(_path: Path) -> Iterator[tuple[int, Page]]:
    raise AssertionError("rendered although the pages were stored already")


@dataclass
class FakePorts:
    """Implements `Ports` in memory and writes every call into `log`, in order, under a lock.

    `raises` maps a port's name to what it does instead, for instance
    `{"check": LostClaim()}`; a callable gets the port's arguments and may raise or return.
    """

    pages: dict[int, Page] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)
    log: list[tuple[object, ...]] = field(default_factory=list)
    raises: dict[str, BaseException | Callable[..., None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def _note(self, name: str, *arguments: object) -> None:
        with self._lock:
            self.log.append((name, *arguments))
        effect = self.raises.get(name)
        if isinstance(effect, BaseException):
            raise effect
        if effect is not None:
            effect(*arguments)

    def named(self, name: str) -> list[tuple[object, ...]]:
        """The arguments of every call of one port, in order."""
        with self._lock:
            return [entry[1:] for entry in self.log if entry[0] == name]

    def save_page(self, page: Page) -> None:
        self._note("save_page", page.number)
        self.pages[page.number] = page

    def load_page(self, number: int) -> Page:
        self._note("load_page", number)
        return self.pages[number]

    def progress(self, stage: str, pages_done: int, pages_total: int | None) -> None:
        self._note("progress", stage, pages_done, pages_total)

    def converted(self, pages_total: int) -> None:
        self._note("converted", pages_total)

    def fence(self, batch: int, model: str) -> str:
        self._note("fence", batch, model)
        return f"call-{batch}"

    def save_answer(self, batch: int, call_id: str, answer: Answer) -> None:
        self._note("save_answer", batch, call_id)
        self.answers[batch] = answer

    def call_failed(self, batch: int, call_id: str, code: str) -> None:
        self._note("call_failed", batch, call_id, code)

    def check(self) -> None:
        self._note("check")


class FakeReader:
    """Answers `answer <batch>`; `act(batch)` runs first and may wait or raise. See `read_batches`."""

    def __init__(self, act: Callable[[int], object] | None = None, *, paid: bool = True) -> None:
        self.model = "fake-model" if paid else "local-reader"
        self.paid = paid
        self.read_batches: list[int] = []
        self.most_at_once = 0
        self._act = act
        self._now = 0
        self._lock = threading.Lock()

    def read(self, context: Context, pages: list[Page], batch: int, batches: int) -> Answer:
        with self._lock:
            self.read_batches.append(batch)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            if self._act is not None:
                self._act(batch)
        finally:
            with self._lock:
                self._now -= 1
        return Answer(f"answer {batch}", self.model, Usage(10, 1))

    def close(self) -> None:
        """Readers are closed alike."""
