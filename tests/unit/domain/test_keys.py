"""What a key looks like, what is kept of it, and what its scope allows."""

import hashlib
import re
from datetime import UTC, datetime

import pytest

from app.domain.keys import NAME_SHAPE, KeyRecord, Presented, Scope, make_key, parse_key

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def record_of(digest: str, **more: datetime) -> KeyRecord:
    return KeyRecord("abcd1234", "ann", "first", Scope.WRITE, digest, NOW, **more)


def test_a_key_has_its_public_form_and_is_known_by_its_hash_alone() -> None:
    made = make_key()
    assert re.fullmatch(r"frag_[0-9a-z]{8}_[A-Za-z0-9_-]{43}", made.text)
    assert made.digest == hashlib.sha256(made.text.encode()).hexdigest()
    assert parse_key(made.text) == Presented(made.key_id, made.digest)


def test_no_two_keys_are_alike() -> None:
    made = [make_key() for _ in range(500)]
    assert len({one.text for one in made}) == len({one.key_id for one in made}) == 500


def test_a_secret_is_not_shown_by_accident() -> None:
    made = make_key()
    shown = f"{made!r} {parse_key(made.text)!r} {record_of(made.digest)!r}"
    assert made.text[-43:] not in shown
    assert made.digest not in shown


A_SECRET = "x" * 43


@pytest.mark.parametrize(
    "text",
    [
        "",
        "frag_",
        f"frag_abcd1234_{A_SECRET[1:]}",
        f"frag_abcd1234_{A_SECRET}x",
        f"frag_ABCD1234_{A_SECRET}",
        f"frag_abcd123_{A_SECRET}",
        f"Frag_abcd1234_{A_SECRET}",
        f"frag_abcd1234_{A_SECRET}\n",
        f" frag_abcd1234_{A_SECRET}",
        f"frag_abcd123\u0663_{A_SECRET}",
        f"frag_abcd1234_{A_SECRET[1:]}\u00e9",
        f"frag_abcd1234_{A_SECRET[1:]}$",
    ],
)
def test_what_is_not_a_key_is_not_looked_up(text: str) -> None:
    assert parse_key(text) is None


def test_only_the_whole_key_matches() -> None:
    made, other = make_key(), make_key()
    record = record_of(made.digest)
    assert record.matches(Presented("abcd1234", made.digest))
    assert not record.matches(Presented("abcd1234", other.digest))


def test_each_scope_includes_the_one_before() -> None:
    allowed = {(one, needed) for one in Scope for needed in Scope if one.allows(needed)}
    read, write, admin = Scope
    assert allowed == {
        (read, read),
        (write, read),
        (write, write),
        (admin, read),
        (admin, write),
        (admin, admin),
    }


def test_a_key_ends_at_its_moment() -> None:
    assert not record_of("").expired(NOW)
    assert record_of("", expires_at=NOW).expired(NOW)
    assert not record_of("", expires_at=NOW.replace(year=2031)).expired(NOW)


@pytest.mark.parametrize("name", ["first", "ann@example.com", "Team 7", "a.b_c-d"])
def test_names_as_people_give_them(name: str) -> None:
    assert NAME_SHAPE.fullmatch(name)


@pytest.mark.parametrize("name", ["", " x", "x" * 65, "a|b", "a/b", "$where", "\u00e9", "a\n"])
def test_names_that_could_mean_something_else(name: str) -> None:
    assert not NAME_SHAPE.fullmatch(name)
