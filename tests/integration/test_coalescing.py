"""The same document twice: one paid call, two results; and when that must not be so."""

from collections.abc import Iterator

import pytest

from app.domain.file import page_key
from tests.support.gated_model import GatedModel, gated_model
from tests.support.llmock import ModelServer, model_server
from tests.support.workers import Service, eventually, service

__all__ = ["service"]


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


@pytest.fixture
def paying(service: Service, model: ModelServer) -> Service:
    service.env |= {"READER": "openai", "OPENAI_BASE_URL": model.base_url}
    return service


@pytest.fixture
def gated(paying: Service) -> Iterator[GatedModel]:
    """In the other model's place: one that answers when the test says so."""
    with gated_model() as server:
        paying.env["OPENAI_BASE_URL"] = server.base_url
        yield server


def test_twins_in_work_at_once_cost_one_call(paying: Service, model: ModelServer) -> None:
    model.is_slow(1)
    twins = [paying.upload() for _ in range(5)]
    paying.pool(2)
    for twin in twins:
        paying.ring(twin)
    records = [paying.wait_for(twin, "api call done") for twin in twins]
    assert model.paid_calls() == 1
    assert sorted(record["usage"]["cached"] for record in records) == [False, True, True, True, True]
    assert len({record["result"] for record in records}) == 1


def test_a_twin_waits_and_says_so_while_the_first_is_in_work(paying: Service, gated: GatedModel) -> None:
    paying.pool(2)
    first, second = paying.submit(), paying.upload()
    gated.wait_for_calls(1)
    paying.ring(second)
    eventually(
        lambda: paying.records.get(second).get("waiting_for") == "same document",
        "the second's reason to wait",
    )
    assert paying.records.status(second) == "queued"
    assert paying.records.get(second)["attempts_made"] == 0
    gated.let_all()
    paying.wait_for(first, "api call done")
    paying.wait_for(second, "api call done")
    assert gated.paid == 1


def test_a_finished_analysis_is_copied_with_its_pages_and_costs_nothing(
    paying: Service, model: ModelServer
) -> None:
    paying.worker()
    first = paying.wait_for(paying.submit(), "api call done")
    second = paying.wait_for(paying.submit(), "api call done")
    assert model.paid_calls() == 1
    assert second["result"] == first["result"]
    assert second["usage"] | {"cached": True} == second["usage"]
    assert (second["usage"]["input_tokens"], second["usage"]["output_tokens"]) == (0, 0)
    assert second["pages"] == first["pages"] == 2
    for number in (1, 2):
        copy = paying.storage.get(page_key(second["_id"], number))
        assert copy == paying.storage.get(page_key(first["_id"], number))
    assert "conversion complete" in [line["status"] for line in second["timeline"]]


def test_what_is_not_the_same_is_analysed_for_itself(paying: Service, model: ModelServer) -> None:
    paying.worker()
    others: list[dict[str, object]] = [
        {"options": {"fresh": True}},
        {"options": {"prompt": "in one sentence"}},
        {"owner": "somebody else"},
    ]
    for fields in [{}, *others]:
        record = paying.wait_for(paying.submit(**fields), "api call done")
        assert record["usage"]["cached"] is False, fields
    assert model.paid_calls() == 1 + len(others)


def test_without_a_cache_the_same_document_is_analysed_again(paying: Service, model: ModelServer) -> None:
    paying.worker(CACHE_TTL_S="0")
    for _ in range(2):
        assert paying.wait_for(paying.submit(), "api call done")["usage"]["cached"] is False
    assert model.paid_calls() == 2


def test_a_first_that_fails_lets_its_twin_try(paying: Service, gated: GatedModel) -> None:
    gated.cut_off(0)
    paying.pool(2)
    first, second = paying.submit(), paying.upload()
    gated.wait_for_calls(1)
    paying.ring(second)
    eventually(lambda: paying.records.get(second).get("waiting_for"), "the second's reason to wait")
    gated.let_all()
    assert paying.wait_for(first, "failed")["error"]["code"] == "answer_truncated"
    paying.wait_for(second, "api call done")


def test_a_twin_whose_pages_are_gone_is_no_help(paying: Service, model: ModelServer) -> None:
    paying.worker()
    first = paying.wait_for(paying.submit(), "api call done")
    paying.storage.delete_prefix_sync(str(first["_id"]))
    second = paying.wait_for(paying.submit(), "api call done")
    assert second["usage"]["cached"] is False
    assert model.paid_calls() == 2
