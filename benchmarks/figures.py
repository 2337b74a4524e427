"""Numbers into words: medians, percentiles, ratios, aims that are met or missed, tables in Markdown."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` % of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def steady_rate(ends: Sequence[float], workers: int) -> float:
    """Documents a second between the end of the first wave and the end of the last but one.

    Starting up and running dry are left out: `workers` documents end in each wave.
    """
    ranked = sorted(ends)
    first, last = workers - 1, len(ranked) - workers - 1
    if last <= first or ranked[last] <= ranked[first]:
        raise ValueError(f"{len(ranked)} documents are too few for {workers} workers")
    return (last - first) / (ranked[last] - ranked[first])


@dataclass(frozen=True)
class Aim:
    """What is to be reached, and what was."""

    what: str
    value: float
    bound: float
    at_least: bool
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def words(self) -> str:
        sign = "≥" if self.at_least else "≤"
        said = "met" if self.met else "MISSED"
        value, bound = (f"{number(one)}{self.unit}" for one in (self.value, self.bound))
        return f"{self.what}: {value} (aim {sign} {bound}) {said}"


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header; the first column is text, the others are numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in (self.header, rule, *self.rows))


@dataclass(frozen=True)
class Section:
    """One part of the suite, measured."""

    name: str
    tables: Sequence[Table]
    aims: Sequence[Aim] = field(default_factory=tuple)
    notes: Sequence[str] = field(default_factory=tuple)

    def markdown(self) -> str:
        parts = [table.markdown() for table in self.tables]
        parts += ["\n".join(f"* {aim.words()}" for aim in self.aims)] if self.aims else []
        return "\n\n".join([*parts, *self.notes])


def number(value: float) -> str:
    """Three figures that mean something."""
    if math.isnan(value):
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def put_into(document: str, name: str, text: str) -> str:
    """`document` with what stands between a section's two marks replaced by `text`."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the document has no place for {name!r}: {begin} … {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"
