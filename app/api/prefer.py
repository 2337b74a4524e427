"""How long a caller wants to wait: `Prefer: wait=N` (RFC 7240) or `?wait=N`, bounded by the server."""

import re
from dataclasses import dataclass
from typing import Final

WAIT: Final = re.compile(r"\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?:;.*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Patience:
    """`seconds` is what is granted; `applied` the header that says so, where a preference was given."""

    seconds: float
    applied: dict[str, str]


def patience(prefer: list[str], wait: int | None, longest_s: float) -> Patience:
    """The query's `wait` counts before the header; the first `wait` of several counts."""
    if wait is not None:
        return Patience(min(wait, longest_s), {})
    for preference in ",".join(prefer).split(","):
        if found := WAIT.fullmatch(preference):
            granted = min(int(found[1]), int(longest_s))
            return Patience(granted, {"preference-applied": f"wait={granted}"})
    return Patience(0, {})
