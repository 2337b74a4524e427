"""Why is it waiting: in the owner's words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.api.waiting import waiting_fields, why_waiting

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("record", "waiting_for"),
    [
        ({}, "worker"),
        ({"next_try_at": NOW}, "worker"),
        ({"next_try_at": LATER}, "retry at 2024-01-01T12:01:30Z"),
        ({"next_try_at": LATER, "waiting_for": "provider"}, "provider"),
        ({"next_try_at": LATER, "waiting_for": "same document"}, "same document"),
        ({"next_try_at": NOW, "waiting_for": "provider"}, "worker"),
    ],
)
def test_a_queued_document_says_what_it_waits_for(record: dict[str, Any], waiting_for: str) -> None:
    waiting = why_waiting({"status": "queued"} | record, NOW)
    assert waiting is not None
    assert waiting.waiting_for == waiting_for
    assert waiting.needs_worker == (waiting_for == "worker")


@pytest.mark.parametrize("status", ["saving", "processing", "conversion complete", "api call done", "failed"])
def test_any_other_document_waits_for_nothing(status: str) -> None:
    assert why_waiting({"status": status, "next_try_at": LATER}, NOW) is None


@pytest.mark.parametrize(
    ("alive", "waiting_for", "no_worker_alive"),
    [(True, "worker", False), (False, "no worker is alive", True), (None, "worker", None)],
)
def test_a_document_that_nobody_will_take_says_so(
    alive: bool | None, waiting_for: str, no_worker_alive: bool | None
) -> None:
    waiting = why_waiting({"status": "queued"}, NOW)
    assert waiting is not None
    assert waiting_fields(waiting, 3, alive) == {
        "waiting_for": waiting_for,
        "position": 3,
        "next_try_at": None,
        "no_worker_alive": no_worker_alive,
    }
