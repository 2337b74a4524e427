"""SIGTERM: what is paid for is finished and saved, then the document ends or goes back; none is lost."""

import signal
import time
from collections.abc import Iterator

import pytest
import redis

from app.queue.q import WORKERS_KEY, worker_key
from app.queue.workers import SAME_SIGNAL_S
from tests.support.gated_model import GatedModel, gated_model
from tests.support.workers import REPORT, Service, alive, eventually, service

__all__ = ["service"]

A_WHILE = "600"


@pytest.fixture
def model() -> Iterator[GatedModel]:
    with gated_model() as server:
        yield server


@pytest.fixture
def paying(service: Service, model: GatedModel) -> Service:
    """A service whose workers ask the model, one page a call and one call at a time."""
    service.env |= {
        "READER": "openai",
        "OPENAI_BASE_URL": model.base_url,
        "PAGES_PER_CALL": "1",
        "MAX_PARALLEL_CALLS": "1",
        "SHUTDOWN_GRACE_S": A_WHILE,
    }
    return service


def test_an_idle_worker_goes_at_once_and_takes_its_sign_of_life_with_it(service: Service) -> None:
    worker = service.worker()
    with redis.Redis.from_url(service.env["VALKEY_URL"], decode_responses=True) as valkey:
        (name,) = eventually(lambda: valkey.smembers(WORKERS_KEY), "a sign of life")
        assert valkey.exists(worker_key(name))
        worker.signal(signal.SIGTERM)
        assert worker.exits() == 0
        assert not valkey.exists(worker_key(name))
        assert not valkey.smembers(WORKERS_KEY)
        assert not valkey.smembers("rq:workers")


def test_the_paid_call_under_way_is_finished_and_ends_the_document(
    paying: Service, model: GatedModel
) -> None:
    paying.env["PAGES_PER_CALL"] = "10"
    worker = paying.worker()
    file_id = paying.submit()
    model.wait_for_calls(1)
    worker.signal(signal.SIGTERM)
    model.let_all()
    assert worker.exits() == 0
    assert paying.records.status(file_id) == "api call done"
    assert model.paid == 1


def test_further_calls_are_left_to_the_next_worker_and_nothing_is_paid_twice(
    paying: Service, model: GatedModel
) -> None:
    worker = paying.worker()
    file_id = paying.submit(REPORT)
    model.wait_for_calls(1)
    worker.signal(signal.SIGTERM)
    worker.says("asked_to_stop")
    model.let_all()
    assert worker.exits() == 0
    left = paying.records.get(file_id)
    assert (left["status"], left["attempts_made"], left["answered"]) == ("queued", 0, 1)
    paying.worker()  # the bell was rung by the one that stopped
    paying.wait_for(file_id, "api call done")
    assert model.paid == 10


def test_a_call_that_outlasts_the_grace_is_given_up_and_no_attempt_spent(
    paying: Service, model: GatedModel
) -> None:
    worker = paying.worker(SHUTDOWN_GRACE_S="0.2")
    file_id = paying.submit()
    model.wait_for_calls(1)
    worker.signal(signal.SIGTERM)
    assert worker.exits() == 0
    left = paying.records.get(file_id)
    assert (left["status"], left["attempts_made"]) == ("queued", 0)
    assert paying.bell.waiting() == {str(file_id)}


def test_a_second_signal_hurries(paying: Service, model: GatedModel) -> None:
    worker = paying.worker()
    file_id = paying.submit()
    model.wait_for_calls(1)
    while worker.process.poll() is None:  # a second one that comes too early counts as the first
        worker.signal(signal.SIGTERM)
        time.sleep(SAME_SIGNAL_S + 0.2)
    assert worker.exits() == 0
    left = paying.records.get(file_id)
    assert (left["status"], left["attempts_made"]) == ("queued", 0)


def test_a_pool_passes_the_wish_on_to_all_its_workers(paying: Service, model: GatedModel) -> None:
    paying.env["PAGES_PER_CALL"] = "10"
    pool = paying.pool(2)
    documents = [paying.submit(sha256=f"{number}") for number in range(2)]
    model.wait_for_calls(2)
    pool.signal(signal.SIGTERM)
    model.let_all()
    assert pool.exits() == 0
    assert [paying.records.status(one) for one in documents] == ["api call done"] * 2
    assert model.paid == 2


def test_a_pool_that_is_killed_takes_its_workers_along(service: Service) -> None:
    pool = service.pool(2)
    family = pool.family()
    pool.signal(signal.SIGKILL)
    eventually(lambda: not alive(family), "the end of all of the pool's workers")
