"""Strong entity tags of a record: its revision, and a hash of the answer with all that is derived."""

import hashlib
import re
from typing import Final

TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')
REVISION: Final = re.compile(r"(\d{1,15})-[0-9a-f]{12}")


def etag(revision: int, body: bytes) -> str:
    """As it stands in the header, quotes included."""
    return f'"{revision}-{hashlib.sha256(body).hexdigest()[:12]}"'


def tag_of(body: bytes) -> str:
    """Of an answer that has no revision of its own."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def named(if_none_match: str | None) -> list[str]:
    """The tags of an If-None-Match header, without quotes; weak ones too, as RFC 9110 compares them."""
    if if_none_match is None:
        return []
    if if_none_match.strip() == "*":
        return ["*"]
    return TAG.findall(if_none_match)


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has this very answer."""
    tags = named(if_none_match)
    return "*" in tags or tag.strip('"') in tags


def revisions(if_none_match: str | None) -> set[int]:
    """The revisions of ours that the client says it has."""
    found = (REVISION.fullmatch(tag) for tag in named(if_none_match))
    return {int(one[1]) for one in found if one}
