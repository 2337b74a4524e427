"""Pages a second and memory of the sandboxed renderer, against pdf2image's defaults and the floor."""

import shutil
from contextlib import ExitStack
from pathlib import Path

from benchmarks.documents import RESUME, thirty_pages
from benchmarks.figures import Aim, Section, Table, median, number
from benchmarks.memory import Peak
from benchmarks.page_makers import MAKERS
from benchmarks.processes import Helper, helper

Seconds = dict[str, list[float]]


def measure(folder: Path, quick: bool) -> Section:
    if shutil.which("pdftoppm") is None:
        return Section("pages", [], (), ["Not measured: pdf2image needs `poppler-utils`."])
    long = folder / "thirty.pdf"
    long.write_bytes(thirty_pages())
    rows: list[list[str]] = []
    aims: list[Aim] = []
    with ExitStack() as stack:
        makers = {kind: stack.enter_context(helper("benchmarks.page_makers", kind)) for kind in MAKERS}
        for label, path, pages, rounds in (
            ("2-page resume", RESUME, 2, 5 if quick else 40),
            ("30-page report", long, 30, 2 if quick else 9),
        ):
            seconds = _rounds(makers, path, rounds)
            peaks = {kind: _peak_mb(makers[kind], path) for kind in makers}
            rate = {kind: pages / median(seconds[kind]) for kind in makers}
            for kind in makers:
                figures = [rate[kind], rate[kind] / rate["pdf2image"], peaks[kind]]
                rows.append([label, kind, *map(number, figures)])
            aims.append(
                Aim(f"pages against pdf2image, {label}", rate["service"] / rate["pdf2image"], 4, True, " ×")
            )
    header = ["document", "way", "pages/s", "× pdf2image", "peak RSS MB, all its processes"]
    return Section("pages", [Table(header, rows)], aims)


def _rounds(makers: dict[str, Helper], path: Path, rounds: int) -> Seconds:
    """Interleaved; the first of each pays for imports and is not counted."""
    seconds: Seconds = {kind: [] for kind in makers}
    for turn in range(rounds + 1):
        for kind, maker in makers.items():
            seen = maker.ask(str(path))
            if turn:
                seconds[kind].append(seen["seconds"])
    return seconds


def _peak_mb(maker: Helper, path: Path) -> float:
    """In a run of its own: whoever looks at memory all the time slows down what is looked at."""
    with Peak(maker.pid) as peak:
        maker.ask(str(path))
    return peak.mb
