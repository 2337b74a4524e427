"""What doctor says of an address holds no part of a password."""

import pytest
from pymongo.errors import OperationFailure

from app.cli.doctor import mongo
from app.cli.doctor.finding import State, where


def test_a_database_that_refuses_the_password_is_told_apart_from_one_that_is_away() -> None:
    found = mongo._refused(OperationFailure("no", 18), "mongodb://ann:hunter2@host:27017/?w=1")
    assert found.state is State.FAIL
    assert "host:27017 refuses the user or the password" in found.found
    assert "MONGO_URL" in found.fix
    assert "hunter2" not in f"{found}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://ann:hunter2@a:1,b:2/x?w=1", "a:1,b:2"),
        ("mongodb://ann:p@hunter2@host/x", "host"),
        ("mongodb://ann:p@hunter2/s@host", "the server"),
        ("mongodb://host/?tlsCertificateKeyFilePassword=a@hunter2", "the server"),
        ("redis://:hunter2@valkey:6379/0", "valkey:6379"),
        ("unix:///run/valkey.sock", "/run/valkey.sock"),
        ("http://127.0.0.1:9/v1", "127.0.0.1:9"),
    ],
)
def test_an_address_is_shown_without_user_and_password(url: str, shown: str) -> None:
    assert where(url) == shown
