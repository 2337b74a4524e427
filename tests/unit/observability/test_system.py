"""What the database knows, in Prometheus' words."""

import asyncio

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.figures import BOUNDS_MS, STAGES, Durations, Figures, Tallies, bucket_of
from app.observability.snapshot import Snapshot
from app.observability.system import SystemCollector

FIGURES = Figures(
    documents={"queued": 3},
    ended_recently={"failed": 2},
    waiting_for={"provider": 1},
    due=3,
    oldest_due_s=12.5,
    stuck=0,
    events_waiting=0,
    deliveries={"pending": 4},
    batches={"open": 1},
    tallies=Tallies(
        attempts={"done": 7},
        calls={"ok": 5},
        pages=40,
        stages={"render": Durations(9.5, {"250": 2, "1000": 1, "beyond": 1})},
    ),
)


def samples(figures: Figures | None, workers: int | None) -> dict[str, float]:
    """Each line of a scrape, after one look."""

    async def read() -> Figures:
        if figures is None:
            raise ConnectionError
        return figures

    async def alive() -> int | None:
        return workers

    snapshot = Snapshot(read, alive)
    asyncio.run(snapshot.look())
    registry = CollectorRegistry()
    registry.register(SystemCollector(snapshot))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        f"{one.name}{sorted(one.labels.items())}": one.value for family in families for one in family.samples
    }


def test_counts_of_the_moment_and_of_all_time_are_shown() -> None:
    shown = samples(FIGURES, 2)
    assert shown["full_rag_documents[('status', 'queued')]"] == 3
    assert shown["full_rag_queue_oldest_seconds[]"] == 12.5
    assert shown["full_rag_workers_alive[]"] == 2
    assert shown["full_rag_attempts_total[('outcome', 'done')]"] == 7
    assert shown["full_rag_pages_total[]"] == 40


def test_a_bucket_holds_all_that_was_quicker() -> None:
    shown = samples(FIGURES, 2)

    def below(bound: str) -> float:
        return shown[f"full_rag_stage_duration_seconds_bucket[('le', '{bound}'), ('stage', 'render')]"]

    assert [below(bound) for bound in ("0.1", "0.25", "0.5", "1.0", "3600.0", "+Inf")] == [0, 2, 2, 3, 3, 4]
    assert shown["full_rag_stage_duration_seconds_count[('stage', 'render')]"] == 4
    assert shown["full_rag_stage_duration_seconds_sum[('stage', 'render')]"] == 9.5


def test_stage_that_nothing_went_through_is_there_with_zero() -> None:
    shown = samples(FIGURES, 2)
    assert all(f"full_rag_stage_duration_seconds_count[('stage', '{one}')]" in shown for one in STAGES)


def test_without_mongodb_only_that_it_is_away_is_shown() -> None:
    assert samples(None, 2) == {"full_rag_mongodb_up[]": 0, "full_rag_workers_alive[]": 2}


def test_without_valkey_nobody_claims_to_know_the_workers() -> None:
    assert "full_rag_workers_alive[]" not in samples(FIGURES, None)


def test_duration_falls_into_the_bucket_at_or_above_it() -> None:
    assert [bucket_of(one) for one in (0, 0.1, 0.11, 3600, 3601)] == [
        "100",
        "100",
        "250",
        "3600000",
        "beyond",
    ]
    assert sorted(BOUNDS_MS) == list(BOUNDS_MS)
