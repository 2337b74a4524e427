"""What a look at one part found. No text in here ever holds a secret: addresses go by `where`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Finding:
    """`fix` names the setting and what to do; empty where nothing is to be done."""

    part: str
    state: State
    found: str
    fix: str = ""


Findings = Iterator[Finding]


def ok(part: str, found: str) -> Finding:
    return Finding(part, State.OK, found)


def warn(part: str, found: str, fix: str) -> Finding:
    return Finding(part, State.WARN, found, fix)


def fail(part: str, found: str, fix: str) -> Finding:
    return Finding(part, State.FAIL, found, fix)


def skip(part: str, found: str) -> Finding:
    return Finding(part, State.SKIP, found)


def where(url: str) -> str:
    """Hosts and ports of an address, without user and password, of which not even a part may be shown."""
    if url.startswith("unix://"):
        return urlsplit(url).path or "a socket"
    rest = url.partition("://")[2] if "://" in url else url
    authority = re.split(r"[/?#]", rest)[0]
    if "@" in rest[len(authority) :]:  # perhaps a password with an unescaped / before its @
        return "the server"
    return authority.rpartition("@")[2] or "(no host)"
