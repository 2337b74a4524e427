"""`/ui`: the page that people open in a browser, from `app/web`; no other file leaves from here."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header
from starlette.responses import RedirectResponse, Response

from app.api.etag import matches
from app.domain.errors import NotFound

router = APIRouter(include_in_schema=False)
WEB: Final = Path(__file__).resolve().parents[1] / "web"
INDEX: Final = "index.html"
KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
ASK_EACH_TIME: Final = "no-cache"
"""Kept by the browser, and asked about: after an update nobody runs half of the old page."""
NO_FILE: Final = "The page has no such file. It begins at /ui."
IfNoneMatch = Annotated[str | None, Header()]


@dataclass(frozen=True)
class Leaf:
    """One file of the page."""

    content: bytes
    kind: str
    tag: str


@cache
def leaves() -> dict[str, Leaf]:
    """All of them, by their path; read once, small enough to keep."""
    return dict(_read(WEB))


@router.get("/ui")
@router.head("/ui")
async def page(if_none_match: IfNoneMatch = None) -> Response:
    return _answer(leaves()[INDEX], if_none_match)


@router.get("/ui/{path:path}")
@router.head("/ui/{path:path}")
async def file_of_page(path: str, if_none_match: IfNoneMatch = None) -> Response:
    if path in ("", INDEX):  # names in the page are relative to /ui
        return RedirectResponse("/ui")
    leaf = leaves().get(path)
    if leaf is None:
        raise NotFound(NO_FILE)
    return _answer(leaf, if_none_match)


def _read(folder: Path) -> Iterator[tuple[str, Leaf]]:
    for path in sorted(folder.rglob("*")):
        kind = KINDS.get(path.suffix)
        if kind is not None and path.is_file():
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            yield path.relative_to(folder).as_posix(), Leaf(content, kind, tag)


def _answer(leaf: Leaf, if_none_match: str | None) -> Response:
    headers = {"etag": leaf.tag, "cache-control": ASK_EACH_TIME}
    if matches(if_none_match, leaf.tag):
        return Response(status_code=304, headers=headers)
    return Response(leaf.content, headers=headers, media_type=leaf.kind)
