"""Paid calls a day: one count for all processes, and a document that waits when it is spent."""

import multiprocessing
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db.client import sync_client, sync_database
from app.db.collections.budgets import Budgets, Over, Taken
from app.db.db import BUDGETS
from tests.support.llmock import ModelServer, model_server
from tests.support.records import Records
from tests.support.workers import REPORT, Service, eventually, service

__all__ = ["service"]

NOON = datetime(2030, 5, 17, 12, tzinfo=UTC)
MOST = 50


@pytest.fixture
def records(mongo_url: str, mongo_db: str) -> Iterator[Records]:
    with Records(mongo_url, mongo_db) as opened:
        yield opened


def take_all(job: tuple[str, str]) -> int:
    """In a process of its own: try to take all of them; how many it got."""
    url, name = job
    with sync_client(url) as client:
        budgets = Budgets(sync_database(client, name), lambda: NOON)
        return sum(isinstance(budgets.take("ann", MOST), Taken) for _ in range(MOST))


def test_four_processes_together_take_exactly_what_there_is(
    records: Records, mongo_url: str, mongo_db: str
) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert sum(pool.map(take_all, [(mongo_url, mongo_db)] * 4)) == MOST
    (counted,) = records.database[BUDGETS].find()
    assert (counted["owner"], counted["calls"]) == ("ann", MOST)


def test_each_owner_and_each_day_has_its_own(records: Records) -> None:
    now = [NOON]
    budgets = Budgets(records.database, lambda: now[0])
    assert isinstance(budgets.take("ann", 1), Taken)
    spent = budgets.take("ann", 1)
    assert isinstance(spent, Over)
    assert spent.until_next_s == 12 * 3600
    assert isinstance(budgets.take("bob", 1), Taken)
    now[0] = NOON + timedelta(hours=12)
    assert isinstance(budgets.take("ann", 1), Taken)


def test_what_cost_nothing_is_given_back_to_the_day_it_was_taken_from(records: Records) -> None:
    now = [NOON]
    budgets = Budgets(records.database, lambda: now[0])
    taken = budgets.take("ann", 1)
    now[0] = NOON + timedelta(days=1)
    assert isinstance(budgets.take("ann", 1), Taken)
    assert isinstance(taken, Taken)
    budgets.give_back(taken)
    assert isinstance(budgets.take("ann", 1), Over)
    now[0] = NOON
    assert isinstance(budgets.take("ann", 1), Taken)


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


@pytest.fixture
def within_a_day() -> None:
    """Not across midnight, where a budget begins anew: wait the last two minutes of a day."""
    while (now := datetime.now(UTC)).hour == 23 and now.minute >= 58:
        time.sleep(1)


@pytest.fixture
def paying(service: Service, model: ModelServer, within_a_day: None) -> Service:
    service.env |= {
        "READER": "openai",
        "OPENAI_BASE_URL": model.base_url,
        "PAGES_PER_CALL": "5",
        "MAX_PARALLEL_CALLS": "1",
        "MAX_ATTEMPTS": "1",
    }
    return service


def waiting(paying: Service, file_id: Any) -> dict[str, Any]:
    """The record, once it waits for a budget."""

    def look() -> dict[str, Any] | None:
        record = paying.records.get(file_id)
        return record if record.get("waiting_for") == "budget" else None

    return eventually(look, "waiting for the budget")


def test_over_budget_a_document_waits_keeps_what_is_paid_and_spends_no_attempt(
    paying: Service, model: ModelServer
) -> None:
    worker = paying.worker(MAX_PAID_CALLS_PER_DAY="1")
    file_id = paying.submit(REPORT)  # ten pages: two calls
    record = waiting(paying, file_id)
    assert (record["status"], record["attempts_made"], sorted(record["answers"])) == ("queued", 0, ["0"])
    assert timedelta(0) < record["next_try_at"] - record["queued_at"] <= timedelta(hours=1, seconds=5)
    assert model.paid_calls() == 1

    other = paying.submit(REPORT, owner="bob")
    waiting(paying, other)
    assert model.paid_calls() == 2, "another owner has a budget of their own"

    worker.end()
    paying.worker(MAX_PAID_CALLS_PER_DAY="2")
    paying.records.put(file_id, next_try_at=record["queued_at"])
    paying.ring(file_id)
    paying.wait_for(file_id, "api call done")
    assert model.paid_calls() == 3


def test_a_call_that_the_provider_turned_away_is_not_counted(paying: Service, model: ModelServer) -> None:
    model.rate_limits(retry_after=600)
    paying.worker(MAX_PAID_CALLS_PER_DAY="2")
    file_id = paying.submit(REPORT)
    eventually(lambda: paying.records.get(file_id).get("waiting_for") == "provider", "turned away")
    (budget,) = paying.records.database[BUDGETS].find()
    assert budget["calls"] == 0
