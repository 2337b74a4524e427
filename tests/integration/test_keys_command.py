"""`python -m app.cli keys …` as an operator types it, against the real store."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.domain.keys import Scope, parse_key
from tests.support.callers import KeyMaker

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120


@dataclass
class Operator:
    """Types commands; `keys` looks into the database."""

    env: dict[str, str]
    keys: KeyMaker

    def types(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "keys", *words],
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        return done

    def creates(self, *words: str) -> str:
        return self.types("create", *words).stdout.strip()

    def works(self, key: str) -> bool:
        shown = parse_key(key)
        assert shown is not None
        found = self.keys.do(lambda keys: keys.find(shown.key_id))
        now = self.keys.do(lambda keys: keys.now())
        return found is not None and found.matches(shown) and not found.revoked_at and not found.expired(now)


@pytest.fixture
def operator(mongo_url: str, mongo_db: str) -> Operator:
    env = {"PATH": os.environ["PATH"], "MONGO_URL": mongo_url, "MONGO_DB": mongo_db}
    return Operator(env, KeyMaker(mongo_url, mongo_db))


def test_a_key_is_shown_once_alone_on_standard_output_and_kept_as_a_hash(operator: Operator) -> None:
    done = operator.types("create", "--name", "first", "--scope", "admin")
    key = done.stdout.removesuffix("\n")
    assert operator.works(key)
    assert key not in done.stderr
    (kept,) = operator.keys.do(lambda keys: keys.all())
    assert (kept.name, kept.owner, kept.scope, kept.expires_at) == ("first", "first", Scope.ADMIN, None)
    secret = key.rpartition("_")[2]
    assert secret not in repr(operator.keys.do(lambda keys: keys._keys.find_one({})))
    assert secret not in operator.types("list").stdout


def test_owner_scope_and_end_are_what_was_asked_for(operator: Operator) -> None:
    operator.creates("--name", "two", "--owner", "ann", "--scope", "read", "--expires", "30d")
    (kept,) = operator.keys.do(lambda keys: keys.all())
    assert (kept.owner, kept.scope) == ("ann", Scope.READ)
    assert kept.expires_at is not None
    assert (kept.expires_at - kept.created_at).days in (29, 30)
    assert "valid until" in operator.types("list").stdout


def test_a_revoked_key_is_over_and_cannot_be_revoked_again(operator: Operator) -> None:
    key = operator.creates("--name", "first")
    operator.types("revoke", key)  # the whole key does as well as its id
    assert not operator.works(key)
    again = operator.types("revoke", key[5:13], code=2)
    assert "keys list" in again.stderr
    assert "revoked" in operator.types("list").stdout


def test_rotation_makes_a_like_key_and_lets_the_old_one_work_for_a_while(operator: Operator) -> None:
    old = operator.creates("--name", "first", "--owner", "ann", "--scope", "read")
    new = operator.types("rotate", old[5:13]).stdout.strip()
    assert operator.works(old)
    assert operator.works(new)
    first, second = operator.keys.do(lambda keys: keys.all())
    assert (first.name, first.owner, first.scope) == (second.name, second.owner, second.scope)
    assert (first.replaced_by, second.expires_at) == (second.key_id, None)
    assert second.key_id in operator.types("rotate", old[5:13], code=2).stderr


def test_a_rotation_can_end_the_old_key_at_once(operator: Operator) -> None:
    old = operator.creates("--name", "first")
    new = operator.types("rotate", old[5:13], "--keep", "0s").stdout.strip()
    assert (operator.works(old), operator.works(new)) == (False, True)
    operator.types("rotate", old[5:13], code=2)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("create", "--name", "a/b"), "--name"),
        (("create", "--name", "a", "--owner", "x|y"), "--owner"),
        (("create", "--name", "a", "--expires", "soon"), "--expires"),
        (("create", "--name", "a", "--expires", "2001-01-01"), "--expires"),
        (("create", "--name", "a", "--scope", "root"), "--scope"),
        (("create",), "--name"),
        (("rotate", "abcd1234", "--keep", "long"), "--keep"),
    ],
)
def test_what_cannot_be_is_said_by_the_option_s_name(
    operator: Operator, words: tuple[str, ...], option: str
) -> None:
    assert option in operator.types(*words, code=2).stderr
    assert operator.keys.do(lambda keys: keys.all()) == []


def test_a_database_that_is_away_is_told_in_a_sentence(operator: Operator) -> None:
    operator.env["MONGO_URL"] = "mongodb://ann:hunter2@127.0.0.1:9"
    done = operator.types("list", code=2)
    assert done.stderr.startswith("MONGO_URL: ")
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr
