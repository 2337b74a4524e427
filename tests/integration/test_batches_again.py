"""Batches that break off, and batches that are sent again."""

from datetime import UTC, datetime, timedelta

import pytest

from app.config import ApiSettings
from tests.support.api import PDF, RunningApi, running_api, wait_until
from tests.support.batches import NO_PDF, seen, sent, several
from tests.support.callers import code_of
from tests.support.raw import OPENING, chunk, connection
from tests.support.stores import Records

KEY = {"Idempotency-Key": "a-key"}


def test_a_batch_that_breaks_off_keeps_what_was_accepted_and_is_closed(
    api: RunningApi, records: Records, batches: Records
) -> None:
    another = b"\r\n" + OPENING
    with connection(api) as sock:
        sock.sendall(chunk(OPENING + another + another))
        wait_until(lambda: records.count_documents({"status": "queued"}) == 2)
    wait_until(lambda: batches.count_documents({"total": 2}) == 1)
    wait_until(lambda: records.count_documents({}) == 2)
    (batch,) = batches.find()
    assert "lease" not in batch and batch["check"]
    assert sorted(batch["file_ids"]) == sorted(str(one["_id"]) for one in records.find())


def test_a_field_that_comes_too_late_is_told_with_what_was_accepted(
    api: RunningApi, records: Records
) -> None:
    files = [("file", ("a.pdf", PDF)), ("file", ("b.pdf", PDF)), ("prompt", (None, "x"))]
    answer = api.client.post("/upload", files=files)
    assert (answer.status_code, code_of(answer)) == (422, "field_too_late")
    assert answer.json()["file_ids"] == [str(one["_id"]) for one in records.find().sort("batch_n")]
    assert seen(api, answer.json()["batch_id"])["total"] == 2


def test_a_batch_whose_process_died_is_closed_by_the_reconciler(
    settings: ApiSettings, records: Records, batches: Records
) -> None:
    with running_api(settings.model_copy(update={"reconcile_every_s": 60.0})) as api:
        batch = sent(api, PDF, PDF + b"2")
    past = datetime.now(UTC) - timedelta(minutes=5)
    batches.update_one(
        {"_id": batch["batch_id"]},
        {
            "$set": {"lease": {"token": "of the dead", "until": past}, "refused": []},
            "$unset": {"total": "", "file_ids": "", "closed_by": "", "check": ""},
        },
    )
    with running_api(settings.model_copy(update={"reconcile_every_s": 0.2, "lease_s": 2.0})) as api:
        wait_until(lambda: batches.count_documents({"total": 2, "check": {"$exists": True}}) == 1)
        assert seen(api, batch["batch_id"])["file_ids"] == batch["file_ids"]


def test_the_same_batch_sent_again_is_the_same_batch(api: RunningApi, records: Records) -> None:
    contents = (NO_PDF, PDF, PDF + b"2")
    first = sent(api, *contents, headers=KEY)
    answer = api.client.post("/upload", **several(*contents, headers=KEY))
    assert (answer.status_code, answer.json()) == (202, first)
    assert answer.headers["idempotency-replayed"] == "true"
    assert records.count_documents({}) == 2
    api.client.delete(f"/{first['file_ids'][0]}")
    assert sent(api, *contents, headers=KEY) == first, "a late repeat brings nothing back"
    assert records.count_documents({"status": {"$exists": True}}) == 1


@pytest.mark.parametrize(
    "other",
    [(PDF,), (PDF, PDF + b"2", PDF), (PDF + b"2", PDF), (PDF, NO_PDF)],
    ids=["one file", "more", "another order", "another file"],
)
def test_a_batch_s_key_is_not_for_anything_else(
    api: RunningApi, records: Records, other: tuple[bytes, ...]
) -> None:
    sent(api, PDF, PDF + b"2", headers=KEY)
    answer = api.client.post("/upload", **several(*other, headers=KEY))
    assert (answer.status_code, code_of(answer)) == (422, "idempotency_key_reused")
    assert records.count_documents({}) == 2


def test_a_document_s_key_is_not_for_a_batch(api: RunningApi, records: Records) -> None:
    sent(api, PDF, headers=KEY)
    answer = api.client.post("/upload", **several(PDF, PDF, headers=KEY))
    assert (answer.status_code, code_of(answer)) == (422, "idempotency_key_reused")
    assert records.count_documents({}) == 1


def test_a_batch_that_broke_off_gives_its_key_back(api: RunningApi, records: Records) -> None:
    files = [("file", ("a.pdf", PDF)), ("file", ("b.pdf", PDF)), ("prompt", (None, "x"))]
    broken = api.client.post("/upload", files=files, headers=KEY)
    assert code_of(broken) == "field_too_late"
    again = sent(api, PDF, PDF, headers=KEY)
    assert again["batch_id"] != broken.json()["batch_id"]
    assert sent(api, PDF, PDF, headers=KEY) == again
    assert records.count_documents({}) == 4


def test_while_a_batch_is_being_received_its_key_is_taken(
    api: RunningApi, records: Records, batches: Records
) -> None:
    batch = sent(api, PDF, PDF, headers=KEY)
    batches.update_one(
        {"_id": batch["batch_id"]},
        {
            "$unset": {"total": ""},
            "$set": {"lease": {"token": "t", "until": datetime.now(UTC) + timedelta(hours=1)}},
        },
    )
    answer = api.client.post("/upload", **several(PDF, PDF, headers=KEY))
    assert (answer.status_code, code_of(answer)) == (409, "idempotency_in_progress")
    assert seen(api, batch["batch_id"])["status"] == "receiving"
