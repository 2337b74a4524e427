"""Shows a `Snapshot` in Prometheus' words: what is true of the whole service, whichever process is asked.

Every process shows the same, so rules and panels take the greatest over the processes, not their sum.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.domain.figures import BEYOND, BOUNDS_MS, STAGES, Durations, Figures, Tallies
from app.observability.snapshot import Snapshot

P: Final = "full_rag_"
OUTCOMES: Final = ("done", "copied", "failed", "requeued", "handed_back", "lost")
PROVIDER_CODES: Final = (
    "model_rate_limited", "model_unavailable", "model_error", "model_timeout", "model_connection_lost",
    "model_key_refused", "model_quota_exceeded",
)  # fmt: skip
"""Shown from the start, at zero: a rate does not see a counter that begins at one."""


class SystemCollector(Collector):
    """Reads what the last look found; asks nobody."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        figures, workers = self._snapshot.figures, self._snapshot.workers
        yield _gauge("mongodb_up", "1 when MongoDB answered the last look.", float(figures is not None))
        if workers is not None:  # nothing while Valkey is away: nobody can tell
            yield _gauge("workers_alive", "Workers that showed a sign of life within 30 s.", workers)
        if figures is not None:
            yield from _now(figures)
            yield from _counted(figures.tallies)


def _now(figures: Figures) -> Iterator[Metric]:
    yield _gauges("documents", "Documents by status.", "status", figures.documents)
    yield _gauges(
        "documents_ended_recently",
        "Documents that ended within ten minutes, by status.",
        "status",
        figures.ended_recently,
    )
    yield _gauges(
        "documents_waiting", "Queued documents that wait for something else than a worker.", "reason",
        figures.waiting_for,
    )  # fmt: skip
    yield _gauge("queue_due", "Queued documents whose time has come.", figures.due)
    yield _gauge("queue_oldest_seconds", "For how long the first of them has been due.", figures.oldest_due_s)
    yield _gauge("documents_stuck", "Documents whose lease ended over a minute ago.", figures.stuck)
    yield _gauge("events_waiting", "Ends of documents not yet handed to deliveries.", figures.events_waiting)
    yield _gauges(
        "deliveries", "Webhook deliveries by state; retrying and late are pending too.", "state",
        figures.deliveries,
    )  # fmt: skip
    yield _gauges("batches", "Batches that are known, and those still being sent.", "state", figures.batches)


def _counted(tallies: Tallies) -> Iterator[Metric]:
    yield _counters(
        "attempts", "Attempts by how they ended.", "outcome", _zeros(OUTCOMES) | dict(tallies.attempts)
    )
    yield _counters(
        "retries",
        "Attempts that another follows, by the reason.",
        "code",
        _zeros(PROVIDER_CODES) | dict(tallies.retries),
    )
    yield _counters(
        "model_calls",
        "Calls of the model, by how they ended.",
        "code",
        _zeros(("ok", *PROVIDER_CODES)) | dict(tallies.calls),
    )
    yield _counters(
        "model_tokens",
        "Tokens as the provider counted them.",
        "direction",
        _zeros(("input", "output")) | dict(tallies.tokens),
    )
    pages = CounterMetricFamily(f"{P}pages", "Pages of finished documents that were analysed.")
    pages.add_metric([], tallies.pages)
    yield pages
    stages = HistogramMetricFamily(f"{P}stage_duration_seconds", "Time in each stage.", labels=["stage"])
    for stage in STAGES:
        durations = tallies.stages.get(stage, Durations())
        stages.add_metric([stage], _cumulative(durations), durations.sum_s)
    yield stages


def _zeros(names: tuple[str, ...]) -> dict[str, int]:
    return dict.fromkeys(names, 0)


def _cumulative(durations: Durations) -> list[tuple[str, float]]:
    """Prometheus' buckets hold all that is below their bound."""
    rows, below = [], 0
    for bound in BOUNDS_MS:
        below += durations.buckets.get(str(bound), 0)
        rows.append((str(bound / 1000), float(below)))
    return [*rows, ("+Inf", float(below + durations.buckets.get(BEYOND, 0)))]


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(P + name, text, value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(P + name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counters(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(P + name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
