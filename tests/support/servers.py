"""Fixtures: a real Valkey and a real MongoDB wire server, started once a session (and xdist worker).

`valkey_url` is an empty database of that Valkey, `mongo_db` the name of an empty database of that
MongoDB; both are the test's own and are emptied after it. To run the tests against servers of your own
set TEST_VALKEY_URL and TEST_MONGO_URL.
"""

import itertools
import os
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pymongo
import pytest
import redis

from app.embedded import EmbeddedMongo, EmbeddedValkey

VALKEY_DATABASES = itertools.cycle(range(1, 16))


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the session's Valkey; a test that stops or kills a server starts its own."""
    given = os.environ.get("TEST_VALKEY_URL")
    if given:
        yield given
        return
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey"), persistent=False) as server:
        yield server.url


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the session's MongoDB-compatible server."""
    given = os.environ.get("TEST_MONGO_URL")
    if given:
        yield given
        return
    with EmbeddedMongo(tmp_path_factory.mktemp("mongo")) as server:
        yield server.url


@pytest.fixture
def valkey_url(valkey_server: str) -> Iterator[str]:
    """An empty database of the session's Valkey: RQ's keys have fixed names, so tests may not share one."""
    url = urlunsplit(urlsplit(valkey_server)._replace(path=f"/{next(VALKEY_DATABASES)}"))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def mongo_db(mongo_url: str) -> Iterator[str]:
    """The name of an empty database of this test's own."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    drop_test_database(mongo_url, name)


def drop_test_database(url: str, name: str) -> None:
    """Remove a database; only one that was plainly made for a test."""
    if "test" not in name:
        raise ValueError(f"refusing to drop the database {name!r}: its name lacks 'test'")
    with pymongo.MongoClient[dict[str, object]](url) as client:
        client.drop_database(name)
