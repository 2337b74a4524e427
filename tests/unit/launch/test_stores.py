"""Which stores are used, and that no password is ever shown."""

from pathlib import Path

import pytest

from app.launch.stores import Stores, without_password


@pytest.mark.parametrize(
    ("env", "embedded"),
    [
        ({}, {"MONGO_URL", "VALKEY_URL"}),
        ({"MONGO_URL": "mongodb://h"}, {"VALKEY_URL"}),
        ({"VALKEY_URL": "valkey://h"}, {"MONGO_URL"}),
        ({"MONGO_URL": "mongodb://h", "VALKEY_URL": "redis://h"}, set()),
        ({"MONGO_URL": "", "VALKEY_URL": " "}, {"MONGO_URL", "VALKEY_URL"}),
    ],
)
def test_stores_are_embedded_unless_they_are_named(
    tmp_path: Path, env: dict[str, str], embedded: set[str]
) -> None:
    assert set(Stores(tmp_path, env).embedded) == embedded


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://u:p@a:1,b:2/db?authSource=admin", "mongodb://a:1,b:2/db"),
        ("mongodb+srv://u:p%40x@cluster.example.net/", "mongodb+srv://cluster.example.net/"),
        ("redis://:p@ss@h:6379/0", "redis://h:6379/0"),
        ("redis://h", "redis://h"),
        ("http://[bad", "(not a URL)"),
    ],
)
def test_address_is_shown_without_user_password_and_options(url: str, shown: str) -> None:
    assert without_password(url) == shown
