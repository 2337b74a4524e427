"""All processes of the service on one machine: stores, API, workers, maintenance, in order."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import httpx

from app.config import ApiSettings, ConfigError, WorkerSettings, load
from app.embedded import free_port, port_is_free
from app.launch.child import Child
from app.launch.environment import (
    RQ_CLASSES,
    absolute_storage,
    is_given,
    python_environment,
    write_env_file,
)
from app.launch.family import Group, stop_in_order
from app.launch.guardian import Guardian
from app.launch.logs import Logs
from app.launch.stores import Stores
from app.launch.supervisor import Supervisor

READY_TIMEOUT_S: Final = 90.0
STOP_SLACK_S: Final = 5.0
# SecantusDB waits for its clients to leave, one of which may be a worker in another terminal. What it
# acknowledged is in its journal and survives a kill.
STORES_GRACE_S: Final = 4.0


class NotReady(Exception):
    """The service did not come up; the text says what is known about why."""


class Service:
    """`env` holds the user's settings; `data` is where everything that it keeps on this machine lies."""

    def __init__(self, root: Path, data: Path, env: Mapping[str, str], lock: int | None = None) -> None:
        self.root, self.data = root, data
        self._given = dict(env)
        self.api = load(ApiSettings, env)
        self.worker = load(WorkerSettings, env)
        self.workers = _count(env.get("WORKERS", "").strip() or "2")
        self.port = self.api.port or free_port()
        self.stores = Stores(data, env)
        self.children: list[Child] = []
        self._lock = lock
        self._guardian: Guardian | None = None
        self._supervisor = Supervisor([])
        self._logs = Logs([])

    @property
    def url(self) -> str:
        host = self.api.host
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - shown, not bound
        shown = everywhere.get(host, f"[{host}]" if ":" in host else host)
        return f"http://{shown}:{self.port}"

    def start(self, stopped: Callable[[], bool]) -> bool:
        """Start everything and wait until it is ready; False when `stopped()` became true meanwhile."""
        if not port_is_free(self.api.host, self.port):
            raise ConfigError(
                f"PORT: {self.port} is in use on {self.api.host}. Stop what listens there, or choose another "
                f"port: PORT={self.port + 1} ./run.sh"
            )
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._guard()
        self.stores.start(self._tell_guardian)
        stores = [server.child for server in self.stores.embedded.values()]
        env = self._environment()
        write_env_file(self.data / "env", self._env_file(env))
        self.children = [*stores, *self._processes(env)]
        self._logs = Logs(self.children)
        for child in self.children[len(stores) :]:
            child.start()
            self._tell_guardian()
        self._supervisor = Supervisor(self.children, changed=self._tell_guardian)
        return self._wait_until_ready(stopped)

    def poll(self) -> None:
        """Start again what died, show what the logs call an error. Call it often; it never blocks."""
        self._supervisor.poll()
        self._logs.poll()
        if self._guardian is not None and not self._guardian.running:
            self._guard()
            self._tell_guardian()

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> None:
        """API, then workers and maintenance, then the stores; nothing is left running after it."""
        stop_in_order(self._groups(), hurried)
        for child in [*self.children, *(s.child for s in self.stores.embedded.values() if s.running)]:
            child.stop(grace=0)
        if self._guardian is not None:
            self._guardian.dismiss()

    def _processes(self, env: Mapping[str, str]) -> list[Child]:
        python = [sys.executable, "-m"]
        pool = [*python, "rq.cli", "worker-pool", "--num-workers", str(self.workers), "default"]
        commands = {"api": [*python, "app.main"], "worker": pool, "maintenance": [*python, "app.maintenance"]}
        if not self.workers:
            del commands["worker"]
        logs = self.data / "logs"
        return [
            Child(name, argv, log=logs / f"{name}.log", env=env, cwd=self.root)
            for name, argv in commands.items()
        ]

    def _environment(self) -> dict[str, str]:
        """What the processes see: the user's settings, completed."""
        env = self._given | python_environment(self.root) | RQ_CLASSES
        for name, server in self.stores.embedded.items():
            env[name] = server.url
        env["PORT"] = str(self.port)
        env.pop("PORT_FILE", None)
        if not is_given("STORAGE_URL", env):
            env["STORAGE_URL"] = str(self.data / "files")
        elif env.get("STORAGE_URL"):
            env["STORAGE_URL"] = absolute_storage(env["STORAGE_URL"], self.root)
        # RQ's own variable, because a command line (`--url`) shows its password to every user.
        env["RQ_REDIS_URL"] = self.stores.urls["VALKEY_URL"]
        return env

    def _env_file(self, env: Mapping[str, str]) -> dict[str, str]:
        """What a worker needs that is started by hand in another terminal: every setting as it is here."""
        ours = {name.upper() for name in WorkerSettings.model_fields}
        names = {*RQ_CLASSES, *python_environment(self.root), "RQ_REDIS_URL", *ours}
        names |= {f"{name}_FILE" for name in ours} | {name for name in env if name.startswith("AWS_")}
        values = {name: env[name] for name in names if name in env}
        return values | self.stores.urls | {"MONGO_DB": self.api.mongo_db}

    def _groups(self) -> list[Group]:
        """Session ids in the order of stopping."""
        grace = self.api.shutdown_grace_s + STOP_SLACK_S
        lives = {child.name: child.lives for child in self.children}
        for server in self.stores.embedded.values():
            if server.running:
                lives.setdefault(server.name, server.child.lives)
        order = [(grace, ["api"]), (grace, ["worker", "maintenance"]), (STORES_GRACE_S, ["valkey", "mongo"])]
        return [(grace, [pid for name in names for pid in lives.get(name, [])]) for grace, names in order]

    def _guard(self) -> None:
        self._guardian = Guardian([] if self._lock is None else [self._lock])

    def _tell_guardian(self) -> None:
        if self._guardian is not None:
            self._guardian.watch(self._groups())

    def _wait_until_ready(self, stopped: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not stopped():
            self.poll()
            if _is_ready(self.url):
                return True
            if time.monotonic() > deadline:
                words = "\n".join(f"{child.name}: {child.tail(3)}" for child in self.children)
                raise NotReady(f"{self.url}/health/ready did not become ready. Last words:\n{words}")
            time.sleep(0.05)
        return False


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _count(text: str) -> int:
    if not text.isdigit() or int(text) > 256:
        raise ConfigError(f"WORKERS: must be a number from 0 to 256, as in WORKERS=4 (it is {text!r})")
    return int(text)
