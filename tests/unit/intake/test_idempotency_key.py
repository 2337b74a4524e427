"""The Idempotency-Key header: what is a key, and when is the same upload the same."""

from typing import Any

import pytest

from app.domain.errors import DomainError
from app.intake.fields import Wanted
from app.intake.file_part import Received
from app.intake.idempotency import hashed_key, refuse_other_content, refuse_while_saving

RECEIVED = Received("cv.pdf", 3, "abc")


def test_a_quoted_key_is_the_same_key() -> None:
    assert hashed_key('"8e03978e"') == hashed_key("8e03978e") == hashed_key(" 8e03978e ")


def test_the_key_itself_is_not_kept() -> None:
    assert "8e03978e" not in str(hashed_key("8e03978e"))


def test_without_the_header_there_is_no_key() -> None:
    assert hashed_key(None) is None


@pytest.mark.parametrize("header", ["", " ", '""', "x" * 256, "a\tb"])
def test_what_is_no_key_is_refused(header: str) -> None:
    with pytest.raises(DomainError) as raised:
        hashed_key(header)
    assert raised.value.code == "idempotency_key_invalid"


def test_a_key_of_the_greatest_length_is_one() -> None:
    assert hashed_key(f'"{"x" * 255}"')


def test_the_first_upload_is_waited_for() -> None:
    refuse_while_saving({"status": "queued"})
    with pytest.raises(DomainError) as raised:
        refuse_while_saving({"status": "saving"})
    assert raised.value.code == "idempotency_in_progress"


@pytest.mark.parametrize(
    ("first", "options", "same"),
    [
        ({"sha256": "abc", "options": {}}, {}, True),
        ({"sha256": "abc", "options": {"prompt": "a"}}, {"prompt": "a"}, True),
        ({"sha256": "other", "options": {}}, {}, False),
        ({"sha256": "abc", "options": {"prompt": "a"}}, {"prompt": "b"}, False),
        ({"sha256": "abc", "options": {}}, {"fresh": True}, False),
        ({"sha256": "abc", "deleted_at": 1}, {"prompt": "a"}, True),
        ({"sha256": "other", "deleted_at": 1}, {}, False),
    ],
)
def test_same_content_and_same_options_are_the_same_upload(
    first: dict[str, object], options: dict[str, Any], same: bool
) -> None:
    if same:
        refuse_other_content(first, RECEIVED, Wanted(options))
        return
    with pytest.raises(DomainError) as raised:
        refuse_other_content(first, RECEIVED, Wanted(options))
    assert raised.value.code == "idempotency_key_reused"
