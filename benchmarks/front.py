"""Two API processes behind Debian's nginx with production's configuration, and the embedded stores."""

import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from app.embedded import EmbeddedMongo, EmbeddedValkey, free_port
from app.launch.child import Child
from benchmarks.documents import ROOT
from benchmarks.processes import PATIENCE_S, clean_environment

APIS = 2
DATABASE = "bench_waiting"


@dataclass(frozen=True)
class Seen:
    """What an API process has used since its start."""

    at: float
    cpu_s: float
    queries: Counter[str]


@dataclass(frozen=True)
class Api:
    child: Child
    counts: Path

    def look(self) -> Seen:
        used = psutil.Process(self.child.pid).cpu_times()
        queries = Counter(json.loads(self.counts.read_text(encoding="ascii")))
        return Seen(time.monotonic(), used.user + used.system, queries)

    def rss_mb(self) -> float:
        return float(psutil.Process(self.child.pid).memory_info().rss) / 2**20


@dataclass(frozen=True)
class Front:
    port: int
    apis: list[Api]
    mongo: EmbeddedMongo
    valkey: EmbeddedValkey


@contextmanager
def front(folder: Path) -> Iterator[Front]:
    """All ready; everything is stopped at the end."""
    with ExitStack() as stack:
        mongo = stack.enter_context(EmbeddedMongo(folder / "mongo"))
        valkey = stack.enter_context(EmbeddedValkey(folder / "valkey", persistent=False))
        ports = [free_port() for _ in range(APIS)]
        apis = [_api(folder, n, port, mongo, valkey, stack) for n, port in enumerate(ports, start=1)]
        for port in ports:
            until_ready(port)
        port = free_port()
        command = [_nginx(), "-p", str(folder), "-c", str(_configure(folder, port, ports))]
        proxy = Child("nginx", command, log=folder / "nginx.log", env=clean_environment())
        proxy.start()
        stack.callback(proxy.stop)
        until_ready(port)
        yield Front(port, apis, mongo, valkey)


def _api(
    folder: Path, number: int, port: int, mongo: EmbeddedMongo, valkey: EmbeddedValkey, stack: ExitStack
) -> Api:
    counts = folder / f"counts-{number}.json"
    settings = {
        "PORT": str(port),
        "MONGO_URL": mongo.url,
        "MONGO_DB": DATABASE,
        "VALKEY_URL": valkey.url,
        "STORAGE_URL": str(folder / "files"),
        "COUNTS": str(counts),
    }
    command = [sys.executable, "-m", "benchmarks.counted_api"]
    env = clean_environment() | settings
    child = Child(f"api-{number}", command, log=folder / f"api-{number}.log", env=env, cwd=ROOT)
    child.start()
    stack.callback(child.stop)
    return Api(child, counts)


def until_ready(port: int) -> None:
    """Until an API process (or what stands before it) can be used."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5, trust_env=False)
            if answer.status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing is ready on port {port}")
        time.sleep(0.1)


def _nginx() -> str:
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise SystemExit("This part needs nginx (Debian, Ubuntu: apt-get install nginx-light).")
    return found


def _configure(folder: Path, port: int, ports: list[int]) -> Path:
    """Production's files; what differs is where it listens, the API's addresses, and where it writes."""
    site = (ROOT / "deploy/nginx/templates/site.conf.template").read_text(encoding="utf-8")
    changes = {
        "${CLIENT_MAX_BODY_MB}": "51",
        "http://api:8001": "http://apis",
        "listen 8001;": f"listen 127.0.0.1:{port};",
    }
    for old, new in changes.items():
        if old not in site:
            raise SystemExit(f"deploy/nginx/templates/site.conf.template has no {old} any more")
        site = site.replace(old, new)
    servers = "".join(f"server 127.0.0.1:{one};" for one in ports)
    (folder / "site.conf").write_text(f"upstream apis {{ {servers} }}\n{site}", encoding="utf-8")
    main = (ROOT / "deploy/nginx/nginx.conf").read_text(encoding="utf-8")
    main = main.replace("/tmp/", f"{folder}/").replace("/dev/stdout", f"{folder}/access.log")
    main = main.replace("/dev/stderr", f"{folder}/error.log")
    user = "user root;\n" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(f"daemon off;\n{user}{main}", encoding="utf-8")
    return path
