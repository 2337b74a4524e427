"""What an API process counts of itself: requests, uploads, and gauges that are read when they are asked for.

A registry of its own, so that two applications in one process (tests) never share a counter.
"""

from collections.abc import Callable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Up to the longest wait of a client."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Anybody may invent another one; it must not become a label."""
OTHER: Final = "other"


class ApiMetrics:
    """Counted by `app.api.measured`, shown by `app.api.metrics`."""

    def __init__(self) -> None:
        # Else a third series for each, that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "full_rag_http_request_duration_seconds",
            "Time from a request's head to the end of its answer; streams last as long as somebody listens.",
            ("route", "method", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._uploads = Counter(
            "full_rag_uploads",
            "Requests to upload by outcome: accepted, or the code of the refusal.",
            ("code",),
            registry=self.registry,
        )
        self._bytes = Counter(
            "full_rag_upload_bytes", "Bytes of bodies of uploads, accepted or not.", registry=self.registry
        )
        self._uploads.labels("accepted")  # there from the start, so that a rate of the first one is seen

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        known = method if method in METHODS else OTHER
        self._requests.labels(route, known, str(status)).observe(seconds)

    def upload(self, code: str) -> None:
        self._uploads.labels(code).inc()

    def received(self, count: int) -> None:
        self._bytes.inc(count)

    def show(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge whose value is asked for at each scrape."""
        Gauge(name, text, registry=self.registry).set_function(read)
