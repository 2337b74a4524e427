"""What an attempt leaves behind for the next one: pages, answers, the reason to wait, the count."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from app.domain.file import page_key
from tests.support.gated_model import GatedModel, gated_model
from tests.support.llmock import ModelServer, model_server
from tests.support.workers import REPORT, Service, eventually, service

__all__ = ["service"]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


@pytest.fixture
def paying(service: Service, model: ModelServer) -> Service:
    service.env |= {"READER": "openai", "OPENAI_BASE_URL": model.base_url, "MAX_PARALLEL_CALLS": "1"}
    return service


@pytest.fixture
def gated(paying: Service) -> Iterator[GatedModel]:
    """In the other model's place: one that answers when the test says so."""
    with gated_model() as server:
        paying.env["OPENAI_BASE_URL"] = server.base_url
        yield server


def tried(paying: Service, file_id: ObjectId, times: int) -> dict[str, object]:
    """The record, back in the queue after so many failed attempts."""

    def look() -> dict[str, object] | None:
        record = paying.records.get(file_id)
        back = record["status"] == "queued" and len(record["attempts"]) == times
        return record if back else None

    return eventually(look, f"{times} failed attempts")


def due(paying: Service, file_id: ObjectId) -> None:
    """Its time has come: what the reconciler does."""
    paying.records.put(file_id, next_try_at=LONG_AGO)
    paying.ring(file_id)


def test_a_rate_limit_spends_no_attempt_and_waits_as_long_as_told(
    paying: Service, model: ModelServer
) -> None:
    model.rate_limits(retry_after=600)
    paying.worker(MAX_ATTEMPTS="1")
    file_id = paying.submit()
    record = tried(paying, file_id, 1)
    assert record["attempts_made"] == 0
    assert record["waiting_for"] == "provider"
    wait_s = (record["next_try_at"] - record["queued_at"]).total_seconds()  # type: ignore[operator]
    assert 600 <= wait_s < 610
    due(paying, file_id)
    paying.wait_for(file_id, "api call done")
    assert model.paid_calls() == 1


def test_a_server_error_spends_an_attempt_and_the_next_one_finds_the_pages_drawn(
    paying: Service, model: ModelServer
) -> None:
    model.fails(500)
    paying.worker()
    file_id = paying.submit()
    record = tried(paying, file_id, 1)
    assert record["attempts_made"] == 1
    (attempt,) = record["attempts"]  # type: ignore[misc]
    assert set(attempt) == {"n", "at", "duration_s", "model", "code", "message", "worker"}
    assert attempt["code"] == "model_error"
    paying.storage.put(str(record["blob"]), b"no longer a document: drawing it again would fail")
    due(paying, file_id)
    assert paying.wait_for(file_id, "api call done")["attempts_made"] == 2


def test_pages_that_are_gone_are_drawn_again(paying: Service, model: ModelServer) -> None:
    model.fails(500)
    paying.worker()
    file_id = paying.submit()
    tried(paying, file_id, 1)
    (paying.folder / "files" / page_key(file_id, 2)).unlink()
    due(paying, file_id)
    paying.wait_for(file_id, "api call done")
    assert paying.storage.get(page_key(file_id, 2))


def test_a_retry_pays_only_for_what_is_missing_under_the_plan_it_was_begun_with(
    paying: Service, gated: GatedModel
) -> None:
    worker = paying.worker(PAGES_PER_CALL="4")
    file_id = paying.submit(REPORT)
    gated.let(1)
    gated.wait_for_calls(2)
    worker.end()
    paying.free(file_id)
    paying.worker(PAGES_PER_CALL="10")
    paying.ring(file_id)
    gated.wait_for_calls(3)
    gated.let_all()
    record = paying.wait_for(file_id, "api call done")
    assert record["pages_per_call"] == 4
    texts = [record["answers"][number]["text"] for number in ("0", "1", "2")]
    assert texts == ["answer 0", "answer 2", "answer 3"]
    assert gated.paid == 4  # three, and the one whose caller was killed before the answer came


def test_the_last_attempt_ends_the_document_with_the_last_error(paying: Service, model: ModelServer) -> None:
    model.fails(500, times=None)
    paying.worker(MAX_ATTEMPTS="2")
    file_id = paying.submit()
    tried(paying, file_id, 1)
    due(paying, file_id)
    record = paying.wait_for(file_id, "failed")
    assert record["error"]["code"] == "model_error"
    assert record["error"]["retryable"]
    assert [attempt["n"] for attempt in record["attempts"]] == [1, 2]
    assert paying.storage.get(record["blob"])


def test_a_refused_key_fails_at_once_and_names_the_setting(paying: Service, model: ModelServer) -> None:
    model.fails(401)
    paying.worker()
    error = paying.wait_for(paying.submit(), "failed")["error"]
    assert error["code"] == "model_key_refused"
    assert "OPENAI_API_KEY" in error["message"]
    assert not error["retryable"]


def test_a_document_that_cannot_be_opened_fails_and_the_worker_goes_on(service: Service) -> None:
    service.worker()
    broken = service.submit(b"%PDF-1.4 and then nothing of the kind")
    assert service.wait_for(broken, "failed")["error"]["code"] == "document_damaged"
    service.wait_for(service.submit(), "api call done")


def test_an_upload_whose_bytes_are_gone_fails_with_a_reason(service: Service) -> None:
    service.worker()
    file_id = service.upload()
    service.storage.delete_prefix_sync(str(file_id))
    service.ring(file_id)
    assert service.wait_for(file_id, "failed")["error"]["code"] == "file_missing"


def test_a_bell_for_what_is_done_or_unknown_changes_nothing(service: Service) -> None:
    worker = service.worker()
    file_id = service.submit()
    revision = service.wait_for(file_id, "api call done")["revision"]
    service.ring(file_id)
    service.ring(ObjectId())
    service.wait_for(service.submit(sha256="another"), "api call done")
    assert service.records.get(file_id)["revision"] == revision
    assert worker.process.poll() is None
