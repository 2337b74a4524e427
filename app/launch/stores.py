"""Which stores this machine uses: the ones that the settings name, or embedded ones under the data folder."""

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pymongo
import redis
from pymongo.errors import PyMongoError

from app.config import ConfigError, SharedSettings, load
from app.embedded import EmbeddedMongo, EmbeddedServer, EmbeddedValkey
from app.launch.environment import is_given

PATIENCE_MS = 5000


class Stores:
    """Embedded where nothing else is set. `urls` is complete after `start()`."""

    def __init__(self, data: Path, env: Mapping[str, str]) -> None:
        settings = load(SharedSettings, env)
        self.urls = {
            "MONGO_URL": settings.mongo_url.get_secret_value(),
            "VALKEY_URL": settings.valkey_url.get_secret_value(),
        }
        self.embedded: dict[str, EmbeddedServer] = {}
        # A guardian ends them, last of all: they must outlive a launcher that is killed.
        if not is_given("VALKEY_URL", env):
            self.embedded["VALKEY_URL"] = EmbeddedValkey(data / "valkey", die_with_parent=False)
        if not is_given("MONGO_URL", env):
            self.embedded["MONGO_URL"] = EmbeddedMongo(data / "mongo", die_with_parent=False)

    def start(self, spawned: Callable[[], None]) -> None:
        """Start the embedded ones; raises `ConfigError` where one that was named does not answer.

        `spawned` is called as soon as there is a new process, before it answers.
        """
        for name, server in self.embedded.items():
            server.start(spawned=spawned)
            self.urls[name] = server.url
        if "MONGO_URL" not in self.embedded:
            _ask_mongo(self.urls["MONGO_URL"])
        if "VALKEY_URL" not in self.embedded:
            _ask_valkey(self.urls["VALKEY_URL"])

    def describe(self) -> str:
        mongo = _shown("MONGO_URL", "MongoDB-compatible store", self)
        return f"{mongo}; {_shown('VALKEY_URL', 'Valkey', self)}"


def _shown(name: str, what: str, stores: Stores) -> str:
    return f"embedded {what}" if name in stores.embedded else f"{name} {without_password(stores.urls[name])}"


def without_password(url: str) -> str:
    """The address of a store as it may be shown: no user, no password, no options."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _ask_mongo(url: str) -> None:
    try:
        with pymongo.MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=PATIENCE_MS) as client:
            client.admin.command("ping")
    except (PyMongoError, ValueError) as error:
        raise ConfigError(_unreachable("MONGO_URL", url, "MongoDB", error)) from None


def _ask_valkey(url: str) -> None:
    patience = PATIENCE_MS / 1000
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=patience, socket_timeout=patience) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise ConfigError(_unreachable("VALKEY_URL", url, "Valkey", error)) from None


def _unreachable(name: str, url: str, what: str, error: Exception) -> str:
    return (
        f"{name}: no {what} answers at {without_password(url)} ({type(error).__name__}). Start it, correct "
        f"{name} (in the environment or in .env), or unset it to use the embedded store."
    )
