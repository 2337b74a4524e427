"""After the faults: wait until every document has ended, or until it is plain that one never will."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from app.domain.status import TERMINAL
from tests.chaos.system import System

MOST_S: Final = 240.0
NO_CHANGE_S: Final = 40.0
"""Longer than a lease, a tick and a lost bell together: what has not moved by then is stuck."""
ADVICE: Final = "too_many_paid_calls"
"""Three workers died over one document: it fails, says that a retry may help, and the client retries."""


def wait_until_quiet(system: System) -> None:
    files = system.files
    deadline = changed_at = time.monotonic()
    deadline += MOST_S
    seen: Any = None
    while time.monotonic() < deadline:
        retried = _follow_advice(system, files)
        wanted = {"_id": 1, "status": 1, "revision": 1, "lease": 1, "next_try_at": 1}
        open_ones = list(files.find({"status": {"$nin": sorted(map(str, TERMINAL))}}, wanted))
        if not open_ones and not retried and not system.model_is_busy():
            return
        if open_ones != seen or _some_are_to_come(open_ones) or system.model_is_busy():
            seen, changed_at = open_ones, time.monotonic()
        if time.monotonic() - changed_at > NO_CHANGE_S:
            return
        time.sleep(0.3)


def _some_are_to_come(records: list[dict[str, Any]]) -> bool:
    """Waiting for a next try, or held by a lease that still runs."""
    now = datetime.now(UTC) - timedelta(seconds=1)
    times = [
        r.get("next_try_at") if r["status"] == "queued" else r.get("lease", {}).get("until") for r in records
    ]
    return any(at is not None and at > now for at in times)


def _follow_advice(system: System, files: Any) -> int:
    """How many documents were retried because their failure said so."""
    failed = [str(one["_id"]) for one in files.find({"status": "failed", "error.code": ADVICE}, {"_id": 1})]
    for file_id in failed:
        httpx.post(f"{system.urls[0]}/{file_id}/retry", timeout=20, trust_env=False)
    return len(failed)
