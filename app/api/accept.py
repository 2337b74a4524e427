"""Which of the forms that we can answer in a client wants most: the `Accept` header of RFC 9110."""

from collections.abc import Sequence
from typing import Final

ANYTHING: Final = "*/*"


def preferred(accept: str | None, offered: Sequence[str]) -> str | None:
    """The best of `offered` (the first of equals); None when nothing will do."""
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    rated = [(_quality(ranges, kind), kind) for kind in offered]
    best = max(quality for quality, _ in rated)
    return next(kind for quality, kind in rated if quality == best) if best > 0 else None


def _range(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return kind, min(max(float(value), 0.0), 1.0)
            except ValueError:
                return kind, 0.0
    return kind, 1.0


def _quality(ranges: list[tuple[str, float]], kind: str) -> float:
    """By the most specific range that names it."""
    for pattern in (kind, kind.split("/")[0] + "/*", ANYTHING):
        named = [quality for one, quality in ranges if one == pattern]
        if named:
            return max(named)
    return 0.0
