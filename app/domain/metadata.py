"""A client's own marks on a document: a few short pairs of text, to find it by and to tell it apart."""

import json
import re
from typing import Final

MAX_PAIRS: Final = 16
MAX_VALUE: Final = 256
MAX_TEXT: Final = 8_192
"""Characters of the whole, as JSON."""
KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
HOW: Final = (
    f"a JSON object of at most {MAX_PAIRS} pairs: keys of 1 to 40 letters, digits, _ and -, "
    f'values of text up to {MAX_VALUE} characters, as in {{"applicant": "4711"}}'
)


def parse_metadata(text: str) -> dict[str, str]:
    """The pairs in `text`. Raises ValueError with what is expected."""
    try:
        found = json.loads(text, object_pairs_hook=_pairs_once)
    except (ValueError, RecursionError):
        raise ValueError(HOW) from None
    if not isinstance(found, dict) or len(found) > MAX_PAIRS:
        raise ValueError(HOW)
    for key, value in found.items():
        if not (KEY.fullmatch(key) and _is_text(value)):
            raise ValueError(HOW)
    return found


def _pairs_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _is_text(value: object) -> bool:
    """Text that can be stored: half of a surrogate pair cannot."""
    if not isinstance(value, str) or len(value) > MAX_VALUE or "\0" in value:
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
