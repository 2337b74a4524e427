"""RQ's stock commands, typed by hand, work a queue: all that is ours comes from the environment."""

import json
import pickle
import zlib
from pathlib import Path

import psutil
import pytest
import redis

from app.queue.q import JOB
from tests.support.workers import RQ_CLASSES, Service, eventually, service

__all__ = ["service"]


def test_a_document_goes_from_queued_to_done_through_the_stock_command(service: Service) -> None:
    worker = service.worker()
    record = service.wait_for(service.submit(), "api call done")
    assert [line["status"] for line in record["timeline"]] == [
        "saving",
        "queued",
        "processing",
        "conversion complete",
        "api call done",
    ]
    assert record["result"]
    eventually(lambda: len(worker.family()) == 2, "worker and renderer alone: no scheduler")


def test_the_stock_pool_works_a_queue(service: Service) -> None:
    service.pool(2)
    documents = [service.submit(sha256=f"{number}") for number in range(6)]
    for file_id in documents:
        service.wait_for(file_id, "api call done")


def test_the_workers_class_alone_is_enough(service: Service) -> None:
    for name in RQ_CLASSES:
        if name != "RQ_WORKER_CLASS":
            del service.env[name]
    service.worker()
    service.wait_for(service.submit(), "api call done")


@pytest.mark.parametrize(
    ("env", "word"),
    [
        ({"MAX_PAGES": "many"}, "MAX_PAGES"),
        ({"READER": "openai"}, "OPENAI_API_KEY"),
    ],
)
def test_a_wrong_setting_stops_the_worker_with_a_sentence(
    service: Service, env: dict[str, str], word: str
) -> None:
    worker = service.command("worker", "--url", service.env["VALKEY_URL"], **env)
    assert worker.exits() == 1
    assert word in worker.text()
    assert "Traceback" not in worker.text()


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Appears when something was executed that must not be."""
    return tmp_path / "executed"


def crafted(service: Service, job_id: str, data: bytes, **fields: str) -> None:
    """A job that somebody wrote into Valkey by hand."""
    with redis.Redis.from_url(service.env["VALKEY_URL"]) as valkey:
        valkey.hset(
            f"rq:job:{job_id}",
            mapping={"data": zlib.compress(data), "origin": "default", "status": "queued"} | fields,
        )
        valkey.rpush("rq:queue:default", job_id)


def test_what_is_not_our_job_is_dropped_unexecuted_and_the_worker_goes_on(
    service: Service, marker: Path
) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            import os

            return (os.system, (f"touch {marker}",))

    worker = service.worker()
    touch = f"touch {marker}"
    crafted(service, "shell", json.dumps(["os.system", None, [touch], {}]).encode())
    crafted(service, "foreign", json.dumps(["pathlib.Path.touch", None, [str(marker)], {}]).encode())
    crafted(service, "pickled", pickle.dumps((JOB, None, (Bomb(),), {})))
    crafted(service, "not an id at all:;", json.dumps([JOB, None, ["0" * 24], {}]).encode())
    crafted(service, "no-json", b"\xff\x00")
    service.wait_for(service.submit(), "api call done")
    assert not marker.exists()
    assert worker.text().count("job_refused") == 5
    with redis.Redis.from_url(service.env["VALKEY_URL"]) as valkey:
        eventually(lambda: not valkey.keys("rq:job:*"), "nothing left of the jobs")
        assert not valkey.lrange("rq:queue:default:intermediate", 0, -1)


def test_callbacks_and_repeats_in_our_own_jobs_hash_are_not_obeyed(service: Service, marker: Path) -> None:
    worker = service.worker()
    file_id = service.upload()
    crafted(
        service,
        f"{file_id}-1",
        json.dumps([JOB, None, [str(file_id)], {}]).encode(),
        success_callback_name="os.system",
        webhooks=json.dumps([{"url": "http://127.0.0.1:9/", "job_status": "finished"}]),
        repeats_left="3",
        repeat_intervals="[0]",
    )
    service.wait_for(file_id, "api call done")
    service.wait_for(service.submit(sha256="another"), "api call done")
    eventually(lambda: worker.text().count("document_done") == 2, "two documents in the log")
    assert "not_to_be_had" not in worker.text()


def test_many_documents_leave_no_zombie_no_descriptor_and_nothing_in_valkey(service: Service) -> None:
    worker = service.worker()
    parent = psutil.Process(worker.pid)

    def run(numbers: range) -> None:
        for file_id in [service.submit(sha256=f"{number}") for number in numbers]:
            service.wait_for(file_id, "api call done")
        eventually(lambda: len(worker.family()) == 2, "worker and renderer alone")

    with redis.Redis.from_url(service.env["VALKEY_URL"]) as valkey:
        run(range(5))
        descriptors, memory = parent.num_fds(), parent.memory_info().rss
        keys = valkey.dbsize()
        run(range(5, 35))
        assert not [one for one in parent.children() if one.status() == psutil.STATUS_ZOMBIE]
        assert parent.num_fds() <= descriptors + 2
        assert parent.memory_info().rss < memory + 8 * 1024 * 1024
        eventually(lambda: valkey.dbsize() <= keys + 2, "nothing left of thirty jobs")
