"""Work-horses, workers and stores that die in the middle of a document. No reconciler runs here."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.embedded import EmbeddedMongo, EmbeddedValkey
from app.queue.q import WORKERS_KEY, worker_key
from tests.support.gated_model import GatedModel, gated_model
from tests.support.workers import Service, alive, eventually, service

__all__ = ["service"]


@pytest.fixture
def model() -> Iterator[GatedModel]:
    with gated_model() as server:
        yield server


@pytest.fixture
def paying(service: Service, model: GatedModel) -> Service:
    service.env |= {"READER": "openai", "OPENAI_BASE_URL": model.base_url}
    return service


def test_a_killed_horses_document_goes_on_at_once_without_waiting_for_its_lease(
    paying: Service, model: GatedModel
) -> None:
    paying.worker(LEASE_S="600")
    file_id = paying.submit()
    model.wait_for_calls(1)
    os.kill(paying.horse(file_id), signal.SIGKILL)
    model.wait_for_calls(2)
    model.let_all()
    record = paying.wait_for(file_id, "api call done")
    assert [attempt["code"] for attempt in record["attempts"]] == ["worker_died", None]
    assert model.paid == 2


def test_a_horse_that_kills_itself_for_good_leaves_a_reason(paying: Service, model: GatedModel) -> None:
    paying.worker(MAX_ATTEMPTS="1")
    file_id = paying.submit()
    model.wait_for_calls(1)
    os.kill(paying.horse(file_id), signal.SIGKILL)
    error = paying.wait_for(file_id, "failed")["error"]
    assert (error["code"], error["retryable"]) == ("worker_died", True)


def test_a_horse_that_outlives_its_parent_finishes_its_document(paying: Service, model: GatedModel) -> None:
    worker = paying.worker()
    file_id = paying.submit()
    model.wait_for_calls(1)
    family = worker.family()
    worker.signal(signal.SIGKILL)
    worker.exits()
    model.let_all()
    record = paying.wait_for(file_id, "api call done")
    assert model.paid == 1
    assert record["attempts_made"] == 1
    eventually(lambda: not alive(family), "the end of horse and renderer")


def test_a_horse_that_was_frozen_while_another_took_over_writes_nothing(
    paying: Service, model: GatedModel
) -> None:
    paying.worker(LEASE_S="600")
    file_id = paying.submit()
    model.wait_for_calls(1)
    frozen = paying.horse(file_id)
    os.kill(frozen, signal.SIGSTOP)
    token = paying.records.get(file_id)["lease"]["token"]
    paying.free(file_id)  # as the reconciler does when a lease has run out
    other = paying.worker()
    paying.ring(file_id)
    model.wait_for_calls(2)
    model.let_all()
    done = paying.wait_for(file_id, "api call done")
    os.kill(frozen, signal.SIGCONT)
    eventually(lambda: not paying.runs(frozen), "the end of the frozen horse")
    now = paying.records.get(file_id)
    assert now["ended_by"] == done["ended_by"] != token
    assert (now["result"], now["revision"]) == (done["result"], done["revision"])
    assert model.paid == 2
    assert other.process.poll() is None


def test_the_parent_starts_a_dead_renderer_again(service: Service) -> None:
    worker = service.worker()
    (renderer,) = worker.family()[1:]
    renderer.kill()
    service.wait_for(service.submit(), "api call done")


def test_a_pools_workers_share_one_renderer_and_go_on_when_it_dies(service: Service) -> None:
    pool = service.pool(2)
    renderers = [one for one in pool.family() if "-I" in one.cmdline()]
    assert len(renderers) == 1
    renderers[0].kill()
    for number in range(4):
        service.wait_for(service.submit(sha256=f"{number}"), "api call done")


def test_several_bells_for_one_document_are_one_call(paying: Service, model: GatedModel) -> None:
    file_id = paying.upload()
    for _ in range(4):
        paying.ring(file_id)
    pool = paying.pool(2)
    model.wait_for_calls(1)
    eventually(lambda: pool.text().count("not_to_be_had") >= 3, "the other bells to be of no effect")
    model.let_all()
    assert paying.wait_for(file_id, "api call done")["attempts_made"] == 1
    assert model.paid == 1


def test_a_flushed_valkey_finds_its_worker_again_during_a_job(paying: Service, model: GatedModel) -> None:
    paying.worker()
    file_id = paying.submit()
    model.wait_for_calls(1)
    with redis.Redis.from_url(paying.env["VALKEY_URL"], decode_responses=True) as valkey:
        (name,) = valkey.smembers(WORKERS_KEY)
        valkey.flushdb()
        eventually(lambda: valkey.exists(worker_key(name)), "the worker's sign of life")
        assert valkey.smembers("rq:workers")
    model.let_all()
    paying.wait_for(file_id, "api call done")
    again = paying.submit(sha256="another")
    paying.wait_for(again, "api call done")
    assert model.paid == 2


def test_an_outage_of_valkey_in_the_middle_of_a_job_costs_nothing(
    service: Service, model: GatedModel, tmp_path: Path
) -> None:
    with EmbeddedValkey(tmp_path / "valkey", persistent=False) as valkey:
        service.use_valkey(valkey.url)
        service.env |= {"READER": "openai", "OPENAI_BASE_URL": model.base_url}
        worker = service.worker()
        file_id = service.submit()
        model.wait_for_calls(1)
        valkey.kill()
        model.let_all()
        service.wait_for(file_id, "api call done")
        valkey.start()
        again = service.upload(sha256="another")
        eventually(lambda: service.bell.ring(str(again)), "a bell that is heard")
        service.wait_for(again, "api call done")
        assert worker.process.poll() is None
        assert model.paid == 2


def test_a_stop_does_not_wait_for_a_valkey_that_is_away(
    service: Service, model: GatedModel, tmp_path: Path
) -> None:
    with EmbeddedValkey(tmp_path / "valkey", persistent=False) as valkey:
        service.use_valkey(valkey.url)
        service.env |= {"READER": "openai", "OPENAI_BASE_URL": model.base_url}
        worker = service.worker()
        file_id = service.submit()
        model.wait_for_calls(1)
        valkey.kill()
        model.let_all()
        service.wait_for(file_id, "api call done")
        worker.signal(signal.SIGTERM)
        assert worker.exits() == 0


def test_a_worker_that_is_started_before_valkey_waits_for_it(service: Service, tmp_path: Path) -> None:
    valkey = EmbeddedValkey(tmp_path / "valkey", persistent=False).start()
    valkey.stop()
    service.use_valkey(valkey.url)
    worker = service.command("worker", "--url", valkey.url)
    with valkey.start():
        worker.says("worker_started")
        file_id = service.upload()
        eventually(lambda: service.bell.ring(str(file_id)), "a bell that is heard")
        service.wait_for(file_id, "api call done")


def test_a_database_that_dies_during_the_paid_call_gets_the_answer_when_it_is_back(
    paying: Service, model: GatedModel, tmp_path: Path
) -> None:
    with EmbeddedMongo(tmp_path / "mongo") as mongo:
        paying.use_mongo(mongo.url)
        paying.worker()
        file_id = paying.submit()
        model.wait_for_calls(1)
        mongo.kill()
        model.let_all()
        model.wait_for_paid(1)
        mongo.start()
        record = paying.wait_for(file_id, "api call done")
        assert record["attempts_made"] == 1
        assert model.paid == 1
        paying.leave_mongo()
