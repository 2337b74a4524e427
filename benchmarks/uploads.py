"""Uploads a second and the API's peak memory, against the plain way and the floor, in interleaved rounds."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Aim, Section, Table, median, number, percentile
from benchmarks.memory import forget_peak, peak_rss_mb
from benchmarks.processes import Helper, child_of, helper, service, until_answers

SETTINGS = {"MAX_UPLOAD_MB": "200"}
RIVALS = ("plain", "floor")


@dataclass(frozen=True)
class Case:
    """`each` uploads by each of `clients`, a round."""

    label: str
    size: int
    clients: int
    each: int


CASES = (
    Case("100 KB × 16", 100_000, 16, 40),
    Case("5 MB × 16", 5_000_000, 16, 6),
    Case("100 MB × 4", 100_000_000, 4, 1),
)


@dataclass
class Server:
    """One of the servers of a case, and what was seen of it."""

    name: str
    port: int
    pid: int
    folder: Path
    rates: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    def round(self, client: Helper, case: Case) -> None:
        forget_peak(self.pid)
        task = {"port": self.port, "path": "/upload", "size": case.size, "clients": case.clients}
        seen = client.ask(task | {"each": case.each})
        self.rates.append(case.clients * case.each / seen["seconds"])
        self.milliseconds += seen["milliseconds"]
        self.peak_mb = max(self.peak_mb, peak_rss_mb(self.pid))
        for path in [path for path in self.folder.iterdir() if not path.name.startswith(".")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def measure(folder: Path, quick: bool) -> Section:
    rows: list[list[str]] = []
    aims: list[Aim] = []
    with helper("benchmarks.upload_client") as client:
        for turn, case in enumerate(CASES):
            seen = {one.name: one for one in _case(folder / str(turn), case, client, quick)}
            rows += [_row(case, seen, name) for name in seen]
            aims += _aims(case, seen)
    header = ["upload", "server", "uploads/s", "× plain", "p50 ms", "p95 ms", "peak RSS MB"]
    return Section("uploads", [Table(header, rows)], aims)


def _case(folder: Path, case: Case, client: Helper, quick: bool) -> list[Server]:
    """Fresh processes for each case, so that memory is the case's own; the order turns with each round."""
    with ExitStack() as stack:
        running = stack.enter_context(service(folder / "service", SETTINGS))
        files = folder / "service" / "files"
        servers = [Server("service", running.port, child_of(running, "api").pid, files)]
        for kind in RIVALS:
            (folder / kind).mkdir()
            env = {"MONGO_URL": running.stores.urls["MONGO_URL"]}
            rival = stack.enter_context(helper("benchmarks.upload_rivals", kind, str(folder / kind), env=env))
            until_answers(f"http://127.0.0.1:{rival.ready}/")
            servers.append(Server(kind, rival.ready, rival.pid, folder / kind))
        small = Case(case.label, case.size, case.clients, max(1, case.each // 6))
        for server in servers:  # the first uploads pay for lazy imports and first connections
            server.round(client, small)
            server.rates.clear()
            server.milliseconds.clear()
        for turn in range(2 if quick else 7):
            for server in servers[turn % 3 :] + servers[: turn % 3]:
                server.round(client, small if quick else case)
    shutil.rmtree(folder)
    return servers


def _row(case: Case, seen: Mapping[str, Server], name: str) -> list[str]:
    one = seen[name]
    ratio = median(one.rates) / median(seen["plain"].rates)
    figures = [median(one.rates), ratio, *(percentile(one.milliseconds, p) for p in (50, 95)), one.peak_mb]
    return [case.label, name, *map(number, figures)]


def _aims(case: Case, seen: Mapping[str, Server]) -> list[Aim]:
    ours, plain = seen["service"], seen["plain"]
    if case.label.startswith("5 MB"):
        ratio = median(ours.rates) / median(plain.rates)
        return [Aim("5 MB uploads against the plain way", ratio, 1.5, True, " ×")]
    if case.label.startswith("100 MB"):
        return [Aim("the API's peak RSS at 100 MB × 4", ours.peak_mb, 120, False, " MB")]
    return []
