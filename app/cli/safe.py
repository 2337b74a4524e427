"""Text of others made harmless before it is shown: a name or a result must not steer the terminal."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import typer

STEERING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters (escape sequences begin with one), what turns the direction of text, half characters."""
PICTURES: Final = 0x2400
"""Where Unicode keeps a visible sign for each of the first 32."""


def clean(text: str) -> str:
    """`text` with a visible sign for each such character; lines and tabs stay."""
    return STEERING.sub(_sign, text.replace("\r\n", "\n"))


def line(text: str) -> str:
    """`clean`, on one line."""
    return " ".join(clean(text).split())


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(PICTURES + code) if code < 0x20 else "\ufffd"


def tell(text: str) -> None:
    """A line for people, on standard error."""
    typer.echo(clean(text), err=True)


def put(text: str) -> None:
    """What was asked for, on standard output."""
    typer.echo(clean(text))


def put_json(value: Mapping[str, Any]) -> None:
    """One object on a line; JSON in ASCII holds no control character."""
    typer.echo(json.dumps(value, ensure_ascii=True, separators=(",", ":")))
