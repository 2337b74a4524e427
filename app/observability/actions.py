"""Counters that a part keeps for itself, shown as Prometheus counters: mending, webhook attempts."""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class Actions(Collector):
    """`counted` is asked at each scrape; `known` are there from the start, so that a first one is seen."""

    def __init__(
        self, name: str, text: str, label: str, counted: Callable[[], Counter[str]], known: tuple[str, ...]
    ) -> None:
        self._name = name
        self._text = text
        self._label = label
        self._counted = counted
        self._known = known

    def collect(self) -> Iterator[Metric]:
        counted = dict.fromkeys(self._known, 0) | dict(self._counted())
        family = CounterMetricFamily(self._name, self._text, labels=[self._label])
        for key, value in counted.items():
            family.add_metric([key], value)
        yield family


def reconciler_actions(counted: Callable[[], Counter[str]]) -> Actions:
    return Actions(
        "full_rag_reconciler_actions",
        "What the reconciler of this process mended.",
        "action",
        counted,
        ("lease_expired", "lease_expired_for_good", "rung", "attempts_used_up", "document_too_old"),
    )


def webhook_attempts(counted: Callable[[], Counter[str]]) -> Actions:
    return Actions(
        "full_rag_webhook_attempts",
        "Attempts of webhook deliveries by this process.",
        "outcome",
        counted,
        ("delivered", "again", "failed"),
    )
