"""Uploads over real sockets into real stores: what is accepted is durable, what is not leaves nothing."""

import hashlib
import resource
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from pydantic import SecretStr

from app.config import ApiSettings
from tests.support.api import PDF, RunningApi, files_under, running_api, wait_until
from tests.support.raw import BOUNDARY, ENDING, OPENING, answer_of, chunk, closed_port, connection
from tests.support.stores import Records


def test_an_accepted_upload_is_stored_queued_and_rung(
    api: RunningApi, records: Records, kept: Path, valkey_url: str
) -> None:
    content = PDF + b"x" * 1_000_000
    answer = api.upload(
        content, "Résumé.pdf", data={"prompt": "What is it?"}, headers={"X-Request-ID": "mine"}
    )
    assert answer.status_code == 202
    file_id = answer.json()["file_id"]
    assert answer.json() == {"file_id": file_id}
    assert answer.headers["location"] == f"/{file_id}"
    assert answer.headers["retry-after"] == "1"
    wait_until(lambda: "rung_at" in (records.find_one() or {}))
    record = records.find_one()
    assert record is not None
    assert str(record["_id"]) == file_id
    assert record["owner"] == "public"
    assert record["name"] == "Résumé.pdf"
    assert record["size"] == len(content)
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert record["options"] == {"prompt": "What is it?"}
    assert record["request_id"] == "mine"
    assert "lease" not in record
    assert (kept / record["blob"]).read_bytes() == content
    assert files_under(kept) == [file_id, record["blob"]]
    with redis.Redis.from_url(valkey_url) as valkey:
        (job,) = valkey.lrange("rq:queue:default", 0, -1)
    assert job.decode().startswith(file_id)
    view = api.record(file_id)
    assert [moment["status"] for moment in view["timeline"]] == ["saving", "queued"]


def test_cache_control_no_cache_asks_for_a_fresh_analysis(api: RunningApi, records: Records) -> None:
    api.upload(headers={"Cache-Control": "no-cache"})
    assert (records.find_one() or {})["options"] == {"fresh": True}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"files": {"file": ("a.pdf", b"MZ" * 1000)}}, 415, "unsupported_type"),
        ({"files": {"file": ("a.pdf", b"")}}, 400, "file_empty"),
        ({"files": {"file": ("a.pdf", PDF + b"x" * 2 * 2**20)}}, 413, "file_too_large"),
        ({"files": [("file", PDF), ("other", PDF)]}, 422, "unknown_field"),
        ({"files": [("file", PDF), ("prompt", (None, "x" * 5000))]}, 422, "invalid_field"),
        ({"files": {"prompt": (None, "x")}}, 400, "file_missing"),
        ({"json": {"file": "x"}}, 400, "file_missing"),
        ({}, 400, "file_missing"),
    ],
)
def test_a_refused_upload_is_explained_and_leaves_nothing(
    api: RunningApi, records: Records, kept: Path, body: dict[str, Any], status: int, code: str
) -> None:
    answer = api.client.post("/upload", **body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["retryable"] is False
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail"} <= set(problem)
    assert records.count_documents({}) == 0
    assert files_under(kept) == []


def test_a_file_too_large_is_told_while_it_is_still_being_sent(
    api: RunningApi, records: Records, kept: Path
) -> None:
    with connection(api) as sock:
        sock.sendall(chunk(OPENING))
        for _ in range(30):
            sock.sendall(chunk(b"x" * 100_000))
        sock.sendall(b"0\r\n\r\n")
        answer = answer_of(sock)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"MAX_UPLOAD_MB" in answer
    assert records.count_documents({}) == 0
    assert files_under(kept) == []


def test_a_file_that_says_it_is_too_large_need_not_be_sent(api: RunningApi) -> None:
    with connection(api, b"Expect: 100-continue\r\n", length=10**9) as sock:
        answer = sock.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_goes_away_leaves_nothing(api: RunningApi, records: Records, kept: Path) -> None:
    with connection(api, length=2_000_000) as sock:
        sock.sendall(OPENING + b"x" * 500_000)
        wait_until(lambda: records.count_documents({"status": "saving"}) == 1)
    wait_until(lambda: records.count_documents({}) == 0 and files_under(kept) == [])


def test_a_form_that_breaks_off_after_its_file_leaves_nothing(
    api: RunningApi, records: Records, kept: Path
) -> None:
    body = OPENING + f"\r\n--{BOUNDARY}\r\nContent-Disposition: form-data".encode()
    with connection(api, b"Connection: close\r\n", length=len(body)) as sock:
        sock.sendall(body)
        assert b"malformed_multipart" in answer_of(sock)
    assert records.count_documents({}) == 0
    assert files_under(kept) == []


def test_a_body_that_stands_still_is_answered_408(
    settings: ApiSettings, records: Records, kept: Path
) -> None:
    with (
        running_api(settings.model_copy(update={"upload_idle_s": 0.2})) as api,
        connection(api, length=2_000_000) as sock,
    ):
        sock.sendall(OPENING)
        answer = answer_of(sock)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"upload_too_slow" in answer
    assert records.count_documents({}) == 0
    assert files_under(kept) == []


def test_the_lease_is_renewed_while_bytes_arrive(settings: ApiSettings, records: Records) -> None:
    """The reconciler looks all the while: without renewal it would bury the upload after 8 s."""
    hasty = settings.model_copy(update={"lease_s": 8.0, "reconcile_every_s": 0.2})
    with running_api(hasty) as api, connection(api, b"Connection: close\r\n") as sock:
        sock.sendall(chunk(OPENING))
        wait_until(lambda: records.count_documents({}) == 1)
        first = (records.find_one() or {})["lease"]["until"]
        wait_until(lambda: (records.find_one() or {"lease": {"until": first}})["lease"]["until"] != first)
        sock.sendall(chunk(ENDING) + b"0\r\n\r\n")
        assert answer_of(sock).startswith(b"HTTP/1.1 202 ")


def test_an_upload_that_was_buried_meanwhile_is_answered_503_and_leaves_nothing(
    api: RunningApi, records: Records, kept: Path
) -> None:
    with connection(api, b"Connection: close\r\n") as sock:
        sock.sendall(chunk(OPENING))
        wait_until(lambda: records.count_documents({}) == 1)
        records.delete_many({})
        sock.sendall(chunk(ENDING) + b"0\r\n\r\n")
        answer = answer_of(sock)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"upload_interrupted" in answer
    assert records.count_documents({}) == 0
    assert files_under(kept) == []


def test_a_full_disk_is_answered_507_and_leaves_nothing(
    api: RunningApi, records: Records, kept: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        answer = api.upload(PDF + b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.status_code == 507
    assert answer.json()["code"] == "storage_full"
    assert answer.json()["retryable"] is True
    assert records.count_documents({}) == 0
    assert files_under(kept) == []
    assert api.upload().status_code == 202


def test_uploads_are_accepted_without_valkey(settings: ApiSettings, records: Records) -> None:
    gone = settings.model_copy(update={"valkey_url": SecretStr(f"redis://127.0.0.1:{closed_port()}")})
    with running_api(gone) as api:
        answers = [api.upload().status_code for _ in range(5)]
        assert api.client.get("/health/ready").status_code == 200
        assert api.client.get("/health/ready").json()["checks"]["valkey"]["ok"] is False
    assert answers == [202] * 5
    assert records.count_documents({"status": "queued"}) == 5


def test_the_same_connection_serves_the_next_request_after_a_refusal(api: RunningApi) -> None:
    with httpx.Client(base_url=api.client.base_url, timeout=60) as client:
        assert client.post("/upload", files={"file": ("a", b"MZ" * 600)}).status_code == 415
        assert client.get("/").json() == {"status": "healthy"}
