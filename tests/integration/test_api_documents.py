"""What a person may do with a document over HTTP, and what is refused when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from bson import ObjectId

from app.api.dependencies import current_owner
from app.domain.status import Status
from app.queue.q import WORKERS_KEY, worker_key
from tests.support.api import RunningApi, files_under, wait_until
from tests.support.raw import OPENING, chunk, connection
from tests.support.stores import Records

ENDED = (Status.DONE, Status.FAILED, Status.CANCELLED)
NOBODYS = "0123456789abcdef01234567"


@pytest.fixture
def uploaded(api: RunningApi) -> str:
    return str(api.upload().json()["file_id"])


def put_into(records: Records, file_id: str, status: str, **facts: Any) -> None:
    records.update_one({"_id": ObjectId(file_id)}, {"$set": {"status": status} | facts})


def outcome(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_a_failed_or_cancelled_document_can_be_retried(
    api: RunningApi, records: Records, uploaded: str, valkey_url: str, status: str
) -> None:
    wait_until(lambda: "rung_at" in (records.find_one() or {}))
    error = {"code": "x", "message": "y", "retryable": True}
    put_into(records, uploaded, status, error=error, attempts_made=5, ended_at=datetime.now(UTC))
    with redis.Redis.from_url(valkey_url) as valkey:
        valkey.flushdb()
        answer = api.client.post(f"/{uploaded}/retry")
        assert answer.status_code == 202
        assert (answer.json()["status"], answer.json()["error"]) == ("queued", None)
        wait_until(lambda: valkey.llen("rq:queue:default") == 1)
    assert (records.find_one() or {})["attempts_made"] == 0
    assert outcome(api.client.post(f"/{uploaded}/retry")) == (409, "not_retryable")


@pytest.mark.parametrize("status", [s for s in Status if s not in (Status.FAILED, Status.CANCELLED)])
def test_no_other_document_can_be_retried(
    api: RunningApi, records: Records, uploaded: str, status: str
) -> None:
    put_into(records, uploaded, status)
    assert outcome(api.client.post(f"/{uploaded}/retry")) == (409, "not_retryable")
    assert (records.find_one() or {})["status"] == status


@pytest.mark.parametrize("status", [Status.QUEUED, Status.PROCESSING, Status.CONVERTED])
def test_a_document_can_be_cancelled_until_it_has_ended(
    api: RunningApi, records: Records, uploaded: str, status: str
) -> None:
    lease = {"token": "t", "until": datetime.now(UTC) + timedelta(hours=1)}
    put_into(records, uploaded, status, lease=lease, active_key="k")
    answer = api.client.post(f"/{uploaded}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    record = records.find_one() or {}
    assert not {"lease", "active_key", "next_try_at"} & set(record)
    assert outcome(api.client.post(f"/{uploaded}/cancel")) == (409, "already_ended")


@pytest.mark.parametrize("status", ENDED)
def test_what_has_ended_cannot_be_cancelled(
    api: RunningApi, records: Records, uploaded: str, status: str
) -> None:
    put_into(records, uploaded, status)
    assert outcome(api.client.post(f"/{uploaded}/cancel")) == (409, "already_ended")


def test_a_document_that_is_still_being_received_is_left_alone(api: RunningApi, records: Records) -> None:
    with connection(api) as sock:
        sock.sendall(chunk(OPENING))
        wait_until(lambda: records.count_documents({}) == 1)
        file_id = str((records.find_one() or {})["_id"])
        assert outcome(api.client.post(f"/{file_id}/cancel")) == (409, "still_saving")
        assert outcome(api.client.post(f"/{file_id}/retry")) == (409, "not_retryable")
        assert outcome(api.client.delete(f"/{file_id}")) == (409, "still_saving")
        assert api.record(file_id)["progress"]["stage"] == "receiving"


@pytest.mark.parametrize("status", [Status.QUEUED, Status.PROCESSING, *ENDED])
def test_deleting_removes_record_and_bytes_and_may_be_repeated(
    api: RunningApi, records: Records, kept: Path, uploaded: str, status: str
) -> None:
    put_into(records, uploaded, status, result="Jane Doe", answers={"0": {"text": "Jane"}})
    assert files_under(kept) != []
    for _ in range(2):
        answer = api.client.delete(f"/{uploaded}")
        assert (answer.status_code, answer.content) == (204, b"")
    assert files_under(kept) == []
    assert "Jane" not in str(records.find_one())
    for answer in (
        api.client.get(f"/{uploaded}"),
        api.client.post(f"/{uploaded}/retry"),
        api.client.post(f"/{uploaded}/cancel"),
    ):
        assert outcome(answer) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/retry"), ("POST", "/cancel")]
)
def test_anothers_document_is_as_unknown_as_nobodys(
    api: RunningApi, kept: Path, uploaded: str, method: str, path: str
) -> None:
    api.app.dependency_overrides[current_owner] = lambda: "somebody else"
    stored = files_under(kept)
    theirs = api.client.request(method, f"/{uploaded}{path}")
    nobodys = api.client.request(method, f"/{NOBODYS}{path}")
    assert outcome(theirs) == outcome(nobodys) == (404, "not_found")
    assert theirs.json()["detail"] == nobodys.json()["detail"]
    assert files_under(kept) == stored


def test_an_id_may_be_written_in_capitals(api: RunningApi, uploaded: str) -> None:
    assert api.record(uploaded.upper())["_id"] == uploaded


def test_a_queued_document_says_that_no_worker_is_alive(
    api: RunningApi, uploaded: str, valkey_url: str
) -> None:
    second = api.upload().json()["file_id"]
    progress = api.record(second)["progress"]
    assert progress["waiting_for"] == "no worker is alive"
    assert progress["no_worker_alive"] is True
    assert progress["position"] == 2
    with redis.Redis.from_url(valkey_url) as valkey:
        valkey.sadd(WORKERS_KEY, "w1")
        valkey.set(worker_key("w1"), "1", ex=600)
        wait_until(lambda: api.record(second)["progress"]["waiting_for"] == "worker")
    assert api.record(uploaded)["progress"]["position"] == 1
    assert api.record(uploaded)["progress"]["no_worker_alive"] is False


@pytest.mark.parametrize(
    ("named", "waiting_for"),
    [("provider", "provider"), ("same document", "same document"), (None, "retry at ")],
)
def test_a_document_that_waits_says_for_what_and_how_long(
    api: RunningApi, records: Records, uploaded: str, named: str | None, waiting_for: str
) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    put_into(records, uploaded, "queued", next_try_at=later, **({"waiting_for": named} if named else {}))
    progress = api.record(uploaded)["progress"]
    assert progress["waiting_for"].startswith(waiting_for)
    assert datetime.fromisoformat(progress["next_try_at"]) == later
    assert progress["position"] is None


def test_a_finished_document_is_shown_whole_and_kept_by_no_shared_cache(
    api: RunningApi, records: Records, uploaded: str
) -> None:
    put_into(records, uploaded, Status.DONE, result="text", data={"a": 1}, pages=2, usage={"model": "m"})
    answer = api.client.get(f"/{uploaded}")
    view = answer.json()
    assert answer.headers["cache-control"] == "private, no-cache"
    assert (view["status"], view["result"], view["data"], view["pages"]) == (
        "api call done",
        "text",
        {"a": 1},
        2,
    )
    assert view["progress"]["waiting_for"] is None
