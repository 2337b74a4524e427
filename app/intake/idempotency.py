"""Idempotency-Key: the same upload sent again is answered like the first, and costs nothing.

Only a hash of the key is stored, in the record itself, under a unique index: of twenty that arrive
at once, one inserts and nineteen find it.
"""

import hashlib
import json

from app.db.client import Record
from app.domain.status import Status
from app.intake.errors import KeyInProgress, KeyInvalid, KeyReused
from app.intake.fields import Wanted
from app.intake.file_part import Received

MAX_KEY = 255


def hashed_key(header: str | None) -> str | None:
    """What is stored of the header's value (quoted, as the draft says, or not); None without one."""
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        raise KeyInvalid()
    return hashlib.sha256(key.encode()).hexdigest()


def refuse_while_saving(first: Record) -> None:
    """The first upload has not been accepted yet: whether this one repeats it is not known."""
    if first.get("status") == str(Status.SAVING):
        raise KeyInProgress()


def fingerprint(hashes: list[str], wanted: Wanted) -> str:
    """What a batch consisted of: its files in their order, the refused ones too, and its fields."""
    content = [hashes, wanted.options, wanted.metadata, wanted.webhook_url]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def refuse_other_content(first: Record, received: Received, wanted: Wanted) -> None:
    """Of a deleted document only the hash of its bytes is left to compare."""
    same = first.get("sha256") == received.sha256
    if "deleted_at" not in first:
        same = same and first.get("options", {}) == wanted.options
        same = same and first.get("metadata", {}) == wanted.metadata
        same = same and first.get("webhook_url") == wanted.webhook_url
    if not same:
        raise KeyReused()
