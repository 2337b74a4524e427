"""What `GET /metrics` of an API process shows, put together in the lifespan."""

from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry
from pymongo.asynchronous.database import AsyncDatabase

from app.api.dependencies import Services
from app.db.client import Record
from app.db.collections.figures import FiguresReader
from app.observability.actions import reconciler_actions
from app.observability.api_metrics import ApiMetrics
from app.observability.disk import show_disk
from app.observability.snapshot import Snapshot
from app.observability.system import SystemCollector
from app.queue.reconciler import Reconciler
from app.queue.valkey import Valkey


@dataclass(frozen=True)
class Instruments:
    """One a process: what requests are counted in, and the last look at the database."""

    metrics: ApiMetrics
    snapshot: Snapshot

    @property
    def registry(self) -> CollectorRegistry:
        return self.metrics.registry


def open_instruments(
    made: Services, database: AsyncDatabase[Record], valkey: Valkey, reconciler: Reconciler
) -> Instruments:
    metrics = ApiMetrics()
    snapshot = Snapshot(FiguresReader(database, made.files.clock).read, made.doorbell.alive_workers_async)
    metrics.registry.register(SystemCollector(snapshot))
    metrics.registry.register(reconciler_actions(lambda: reconciler.actions))
    metrics.show("full_rag_clients_waiting", "Clients that wait for a change.", lambda: made.watch.waiting)
    metrics.show("full_rag_valkey_away", "1 while this process does without Valkey.", lambda: valkey.away)
    folder = getattr(made.storage, "root", None)
    show_disk(metrics.registry, folder if isinstance(folder, Path) else None)
    return Instruments(metrics, snapshot)
