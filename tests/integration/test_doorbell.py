"""The doorbell against a real Valkey: what it leaves there, and how little a dead or hanging one costs."""

import asyncio
import socket
import threading
import zlib
from collections.abc import Iterator

import pytest
import redis

from app.queue.q import JOB, WORKER_TTL_S, WORKERS_KEY, Doorbell, worker_key

FILE_ID = "0123456789abcdef01234567"


@pytest.fixture
def doorbell(valkey_url: str) -> Iterator[Doorbell]:
    bell = Doorbell(valkey_url)
    yield bell
    bell.close()


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url, decode_responses=True) as connection:
        yield connection


@pytest.fixture
def hanging_valkey() -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that accepts every connection and never says a word."""
    accepted: list[socket.socket] = []
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                accepted.append(server.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.getsockname()[1]}", accepted
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    for connection in accepted:
        connection.close()
    thread.join(10)


def test_a_ring_names_the_job_by_a_string_and_carries_the_id_as_json(
    doorbell: Doorbell, valkey_url: str
) -> None:
    assert doorbell.ring(FILE_ID)
    with redis.Redis.from_url(valkey_url) as binary:
        (job_id,) = binary.lrange("rq:queue:default", 0, -1)
        data = zlib.decompress(binary.hget(f"rq:job:{job_id.decode()}", "data")).decode()
    assert data == f'["{JOB}", null, ["{FILE_ID}"], {{}}]'


def test_results_are_not_kept_and_failures_only_shortly(doorbell: Doorbell, client: redis.Redis) -> None:
    doorbell.ring(FILE_ID)
    (job_id,) = client.lrange("rq:queue:default", 0, -1)
    result_ttl, failure_ttl = (
        int(client.execute_command("HGET", f"rq:job:{job_id}", name))
        for name in ("result_ttl", "failure_ttl")
    )
    assert result_ttl == 0
    assert 0 < failure_ttl <= 300


def test_who_has_waited_already_is_heard_first(doorbell: Doorbell, client: redis.Redis) -> None:
    ids = ["0" * 24, "1" * 24, "2" * 24]
    for file_id in ids[:2]:
        assert doorbell.ring(file_id)
    assert doorbell.ring(ids[2], first=True)
    queue = [job_id.partition("-")[0] for job_id in client.lrange("rq:queue:default", 0, -1)]
    assert queue == [ids[2], ids[0], ids[1]]


def test_two_rings_for_one_document_are_two_jobs_of_one_waiting_document(doorbell: Doorbell) -> None:
    assert doorbell.ring(FILE_ID)
    assert doorbell.ring(FILE_ID)
    assert asyncio.run(doorbell.queue_depth_async()) == 2
    assert doorbell.waiting() == {FILE_ID}


def test_the_epoch_stays_until_the_data_is_gone(doorbell: Doorbell, client: redis.Redis) -> None:
    first = doorbell.epoch()
    assert first
    assert asyncio.run(doorbell.epoch_async()) == first
    client.flushdb()
    second = doorbell.epoch()
    assert second
    assert second != first


def test_workers_count_while_their_heartbeat_lives(doorbell: Doorbell, client: redis.Redis) -> None:
    assert asyncio.run(doorbell.alive_workers_async()) == 0
    client.sadd(WORKERS_KEY, "one", "two")
    client.set(worker_key("one"), "1", ex=WORKER_TTL_S)
    assert asyncio.run(doorbell.alive_workers_async()) == 1
    assert client.smembers(WORKERS_KEY) == {"one"}


def test_a_refused_valkey_is_no_error() -> None:
    bell = Doorbell("redis://127.0.0.1:1")
    assert not bell.ring(FILE_ID)
    assert bell.epoch() is None
    assert bell.waiting() is None
    assert asyncio.run(bell.alive_workers_async()) is None
    assert not asyncio.run(bell.ping_async())
    bell.close()


def test_a_hanging_valkey_is_asked_once_by_each_thread_at_most(
    hanging_valkey: tuple[str, list[socket.socket]],
) -> None:
    url, accepted = hanging_valkey
    bell = Doorbell(url)

    async def many() -> list[bool]:
        return await asyncio.gather(*(bell.ring_async(FILE_ID) for _ in range(50)))

    assert asyncio.run(many()) == [False] * 50
    assert 1 <= len(accepted) <= 4
    bell.close()
