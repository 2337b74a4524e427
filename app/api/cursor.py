"""Where a page of a list ended, as an opaque text: the creation and the id of its last record."""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from bson import ObjectId

from app.domain.errors import DomainError

PLAIN: Final = re.compile(r"(\d{1,15})\.([0-9a-f]{24})", re.ASCII)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
LAST: Final = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH) // MILLISECOND
Place = tuple[datetime, ObjectId]


class CursorInvalid(DomainError):
    code = "invalid_request"
    default_message = (
        "The `cursor` is not one of ours. Take the address in the last page's Link header as it is."
    )


def written(created_at: datetime, file_id: ObjectId) -> str:
    """In whole milliseconds, as the database keeps them."""
    plain = f"{(created_at - EPOCH) // MILLISECOND}.{file_id}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def read(cursor: str) -> Place:
    """What `written` was given. Raises CursorInvalid."""
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        raise CursorInvalid() from None
    found = PLAIN.fullmatch(plain)
    if found is None or int(found[1]) > LAST:
        raise CursorInvalid()
    return EPOCH + int(found[1]) * MILLISECOND, ObjectId(found[2])
