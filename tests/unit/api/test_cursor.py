"""Cursors: what is written is read again, what we did not write is refused."""

import base64
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from app.api import cursor
from app.api.cursor import CursorInvalid

ID = ObjectId("65f1c0ffee65f1c0ffee65f1")


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 2, 3, 4, 5, 6, 789_000, UTC),
        datetime(2033, 1, 1, 0, 0, 0, 1_000, UTC),
    ],
)
def test_a_place_is_found_again(moment: datetime) -> None:
    assert cursor.read(cursor.written(moment, ID)) == (moment, ID)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "AAAA",
        "a b",
        *(
            base64.urlsafe_b64encode(plain.encode()).decode()
            for plain in ("1.x", f"-1.{ID}", f"99999999999999999.{ID}", f"999999999999999.{ID}", f"1.{ID} ")
        ),
    ],
)
def test_what_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(CursorInvalid):
        cursor.read(text)
