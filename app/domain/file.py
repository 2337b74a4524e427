"""Ids, tokens and names of documents: made here and nowhere else."""

import os
import re
import secrets
import unicodedata
from typing import Final

from bson import ObjectId

PUBLIC_OWNER: Final = "public"
MAX_NAME: Final = 255
INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
ID_PATTERN: Final = r"[0-9a-fA-F]{24}"


def new_id() -> ObjectId:
    """24 hex digits from 12 random bytes: unlike the driver's own ids, not guessable."""
    return ObjectId(os.urandom(12))


def new_token() -> str:
    """Names one hold on a record; whoever presents it may write, nobody else."""
    return secrets.token_hex(12)


def parse_id(text: str) -> ObjectId | None:
    """The id in `text`, or None when it is not 24 hex digits."""
    return ObjectId(text) if re.fullmatch(ID_PATTERN, text) else None


def clean_name(raw: str | None) -> str:
    """A client's file name as data fit to show: no folders, no control or direction marks, ≤ 255 characters.

    The extension survives the cut, so that `x…x.pdf` still looks like what it is.
    """
    text = unicodedata.normalize("NFC", raw or "").replace("\\", "/").rsplit("/", 1)[-1]
    text = "".join(
        c for c in text if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )
    text = text.strip(" .")
    if len(text) > MAX_NAME:
        stem, dot, extension = text.rpartition(".")
        keep = extension if dot and len(extension) <= 10 else ""
        text = (stem if keep else text)[: MAX_NAME - len(keep) - 1] + (f".{keep}" if keep else "")
    return text or "document"


def original_key(file_id: ObjectId, token: str) -> str:
    """Where one upload's bytes live; the token keeps a late writer from overwriting another's."""
    return f"{file_id}/{token}"


def page_key(file_id: ObjectId, number: int) -> str:
    """Where page `number` (from 1) of a document lives as JPEG."""
    return f"{file_id}/pages/{number}.jpg"


def thumb_key(file_id: ObjectId, number: int) -> str:
    """Where a small picture of page `number` lives."""
    return f"{file_id}/pages/{number}.thumb.jpg"


def page_text_key(file_id: ObjectId, number: int) -> str:
    """Where the text layer of page `number` lives, when the page has one."""
    return f"{file_id}/pages/{number}.txt"
