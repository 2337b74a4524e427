"""Idempotency-Key: the same upload sent again is one document, whatever happened to the first."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from bson import ObjectId

from tests.support.api import PDF, RunningApi, files_under, wait_until
from tests.support.raw import ENDING, OPENING, answer_of, chunk, connection
from tests.support.stores import Records

KEY = {"Idempotency-Key": '"a-key"'}


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["code"])


def test_the_same_upload_is_answered_with_the_same_document(
    api: RunningApi, records: Records, kept: Path
) -> None:
    first = api.upload(headers=KEY, data={"prompt": "p"})
    stored = files_under(kept)
    again = api.upload(name="renamed.pdf", headers={"Idempotency-Key": "a-key"}, data={"prompt": "p"})
    assert again.status_code == 202
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert records.count_documents({}) == 1
    assert files_under(kept) == stored


@pytest.mark.parametrize("change", ["content", "prompt", "fresh"])
def test_a_key_used_for_another_upload_is_refused(
    api: RunningApi, records: Records, kept: Path, change: str
) -> None:
    api.upload(headers=KEY)
    stored = files_under(kept)
    other = api.upload(
        PDF + (b"x" if change == "content" else b""),
        headers=KEY | ({"Cache-Control": "no-cache"} if change == "fresh" else {}),
        data={"prompt": "other"} if change == "prompt" else None,
    )
    assert (other.status_code, code_of(other)) == (422, "idempotency_key_reused")
    assert records.count_documents({}) == 1
    assert files_under(kept) == stored


def test_while_the_first_is_being_received_the_second_is_told_to_wait(
    api: RunningApi, records: Records
) -> None:
    with connection(api, b"Idempotency-Key: a-key\r\nConnection: close\r\n") as sock:
        sock.sendall(chunk(OPENING))
        wait_until(lambda: records.count_documents({"status": "saving"}) == 1)
        second = api.upload(headers=KEY)
        sock.sendall(chunk(ENDING) + b"0\r\n\r\n")
        first = answer_of(sock)
    assert (second.status_code, code_of(second)) == (409, "idempotency_in_progress")
    assert second.json()["retryable"] is True
    assert second.headers["retry-after"] == "1"
    assert first.startswith(b"HTTP/1.1 202 ")
    assert api.upload(headers=KEY).headers["idempotency-replayed"] == "true"
    assert records.count_documents({}) == 1


def test_a_first_upload_that_failed_gives_the_key_back(api: RunningApi, records: Records) -> None:
    with connection(api, b"Idempotency-Key: a-key\r\n") as sock:
        sock.sendall(chunk(OPENING))
        wait_until(lambda: records.count_documents({}) == 1)
    wait_until(lambda: records.count_documents({}) == 0)
    answer = api.upload(headers=KEY)
    assert answer.status_code == 202
    assert "idempotency-replayed" not in answer.headers


def test_after_a_day_the_key_is_free_again(api: RunningApi, records: Records) -> None:
    first = api.upload(headers=KEY).json()["file_id"]
    records.update_one({}, {"$set": {"idempotency_until": datetime.now(UTC) - timedelta(seconds=1)}})
    second = api.upload(headers=KEY).json()["file_id"]
    assert second != first
    assert records.count_documents({}) == 2


def test_a_late_repeat_does_not_bring_a_deleted_document_back(
    api: RunningApi, records: Records, kept: Path
) -> None:
    file_id = api.upload(headers=KEY).json()["file_id"]
    assert api.client.delete(f"/{file_id}").status_code == 204
    again = api.upload(headers=KEY)
    assert (again.status_code, again.json()) == (202, {"file_id": file_id})
    assert api.client.get(f"/{file_id}").status_code == 404
    assert files_under(kept) == []
    assert records.count_documents({"status": {"$exists": True}}) == 0


@pytest.mark.parametrize("key", ["", '""', "x" * 256])
def test_what_is_no_key_is_refused(api: RunningApi, records: Records, key: str) -> None:
    answer = api.upload(headers={"Idempotency-Key": key})
    assert (answer.status_code, code_of(answer)) == (400, "idempotency_key_invalid")
    assert records.count_documents({}) == 0


def test_twenty_at_once_are_one_document(api: RunningApi, records: Records, kept: Path) -> None:
    def until_accepted(_: int) -> str:
        while True:
            with httpx.Client(base_url=api.client.base_url, timeout=60) as client:
                answer = client.post("/upload", files={"file": ("a.pdf", PDF)}, headers=KEY)
            if answer.status_code == 202:
                return str(answer.json()["file_id"])
            assert code_of(answer) == "idempotency_in_progress"

    with ThreadPoolExecutor(20) as pool:
        ids = set(pool.map(until_accepted, range(20)))
    assert len(ids) == 1
    assert [record["_id"] for record in records.find()] == [ObjectId(ids.pop())]
    assert len([name for name in files_under(kept) if "/" in name]) == 1


def test_the_key_itself_is_stored_nowhere(api: RunningApi, records: Records) -> None:
    api.upload(headers={"Idempotency-Key": "do-not-keep-me"})
    assert "do-not-keep-me" not in str(list(records.find()))
