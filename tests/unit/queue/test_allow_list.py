"""Which jobs a worker would run, and what it reads of a job's hash."""

import json
import pickle
import zlib

import pytest
from redis import Redis

from app.queue.allow_list import AllowListJob
from app.queue.q import FAILURE_TTL_S, JOB, RESULT_TTL_S

FILE_ID = "0123456789abcdef01234567"


def job(data: bytes, **fields: bytes) -> AllowListJob:
    one = AllowListJob(f"{FILE_ID}-1", Redis())  # never connected
    one.restore({b"data": zlib.compress(data)} | {name.encode(): value for name, value in fields.items()})
    return one


def call(
    name: object = JOB, instance: object = None, arguments: object = (FILE_ID,), named: object = None
) -> bytes:
    return json.dumps([name, instance, arguments, named or {}]).encode()


def test_our_own_call_is_allowed() -> None:
    assert job(call()).allowed


@pytest.mark.parametrize(
    "data",
    [
        call(name="os.system"),
        call(name="app.queue.jobs.os.system"),
        call(name="app.queue.q.Doorbell"),
        call(instance="os"),
        call(arguments=[]),
        call(arguments=["rm -rf /"]),
        call(arguments=[FILE_ID, FILE_ID]),
        call(arguments=[FILE_ID + "\n"]),
        call(arguments=[int(FILE_ID, 16)]),
        call(arguments={FILE_ID: 1}),
        call(named={"file_id": FILE_ID}),
        b"[]",
        b"null",
        b"{",
        b"[" * 100_000,
        b"",
        b"\xff\xfe",
        pickle.dumps((JOB, None, (FILE_ID,), {})),
        b'["' + b"x" * 100_000 + b'"]',
    ],
)
def test_anything_else_is_not(data: bytes) -> None:
    assert not job(data).allowed


def test_a_pickle_is_not_even_opened() -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (pytest.fail, ("the pickle was opened",))

    assert not job(pickle.dumps((JOB, None, (Bomb(),), {}))).allowed


def test_a_forbidden_job_cannot_be_performed_either() -> None:
    with pytest.raises(PermissionError):
        job(call(name="os.getcwd")).perform()


def test_data_that_would_unpack_to_much_is_not_unpacked() -> None:
    assert not job(b" " * 50_000_000 + call()).allowed


def test_callbacks_webhooks_dependencies_and_repeats_are_as_if_they_were_not_there() -> None:
    one = job(
        call(),
        success_callback_name=b"os.getcwd",
        failure_callback_name=b"os.getcwd",
        stopped_callback_name=b"os.getcwd",
        webhooks=json.dumps([{"url": "http://127.0.0.1:1/", "job_status": "finished"}]).encode(),
        dependency_ids=b'["x"]',
        retries_left=b"7",
        retry_intervals=b"[0]",
        repeats_left=b"7",
        repeat_intervals=b"[0]",
        group_id=b"g",
        rate_limit_key=b"k",
        timeout=b"1",
        result_ttl=b"-1",
        failure_ttl=b"-1",
    )
    assert one.success_callback is None
    assert one.failure_callback is None
    assert one.stopped_callback is None
    assert not one.webhooks
    assert not one._dependency_ids
    assert not one.should_retry
    assert not one.repeats_left
    assert one.group_id is None
    assert not one.has_rate_limit
    assert one.timeout == AllowListJob.time_limit_s
    assert (one.result_ttl, one.failure_ttl) == (RESULT_TTL_S, FAILURE_TTL_S)
