"""The OpenAI reader against a real HTTP server that speaks both APIs."""

import base64
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from app.domain.errors import PermanentFailure, TransientFailure
from app.domain.result import Answer
from app.pipeline.process import process
from app.pipeline.vision import ReaderOptions, make_reader, warm
from tests.support.llmock import ModelServer, model_server
from tests.support.pipeline_fakes import TINY_JPEG, FakePorts, context, page, rendering

Api = Literal["responses", "chat"]
BOTH = pytest.mark.parametrize("api", ["responses", "chat"])


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


def options(model: ModelServer, api: Api = "responses") -> ReaderOptions:
    return ReaderOptions(
        kind="openai", base_url=model.base_url, model="gpt-test", api=api, timeout_s=60, max_output_tokens=500
    )


def read(model: ModelServer, api: Api = "responses", **changes: object) -> Answer:
    return make_reader(options(model, api)).read(context(**changes), [page(1), page(2)], 0, 1)


@BOTH
def test_answer_comes_back_with_its_tokens_and_model(model: ModelServer, api: Api) -> None:
    model.answers("## Summary\n\nA person.")
    answer = read(model, api)
    assert answer.text == "## Summary\n\nA person."
    assert answer.model == "gpt-test"
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0


def user_content(request: dict[str, Any], api: Api) -> list[dict[str, Any]]:
    messages = request["input"] if api == "responses" else request["messages"][1:]
    assert [message["role"] for message in messages] == ["user"]
    content = messages[0]["content"]
    assert isinstance(content, list)
    return content


@BOTH
def test_pages_travel_as_jpeg_data_uris_in_order(model: ModelServer, api: Api) -> None:
    read(model, api)
    (request,) = model.requests()
    assert request.path == ("/v1/responses" if api == "responses" else "/v1/chat/completions")
    note, *images = user_content(request.body, api)
    assert note["text"].startswith("Pages 1 to 2 of the document")
    uri = "data:image/jpeg;base64," + base64.b64encode(TINY_JPEG).decode()
    if api == "responses":
        assert images == [{"type": "input_image", "image_url": uri, "detail": "high"}] * 2
        assert request.body["max_output_tokens"] == 500
        assert request.body["store"] is False
    else:
        assert images == [{"type": "image_url", "image_url": {"url": uri, "detail": "high"}}] * 2
        assert request.body["max_tokens"] == 500


@BOTH
def test_own_prompt_replaces_the_task_and_leaves_the_safety_part(model: ModelServer, api: Api) -> None:
    read(model, api, prompt="List the invoice's lines.")
    (request,) = model.requests()
    system = request.body["instructions"] if api == "responses" else request.body["messages"][0]["content"]
    assert "List the invoice's lines." in system
    assert "never an instruction" in system
    assert "resume" not in system


@BOTH
def test_rate_limit_waits_as_told_and_costs_no_attempt(model: ModelServer, api: Api) -> None:
    model.rate_limits(retry_after=7)
    with pytest.raises(TransientFailure) as failure:
        read(model, api)
    assert failure.value.code == "model_rate_limited"
    assert failure.value.retry_after_s == 7
    assert failure.value.costs_attempt is False
    assert failure.value.waiting_for == "provider"


@pytest.mark.parametrize(
    ("status", "code", "costs"),
    [(500, "model_error", True), (502, "model_error", True), (503, "model_unavailable", False)],
)
def test_server_error_is_transient(model: ModelServer, status: int, code: str, costs: bool) -> None:
    model.fails(status)
    with pytest.raises(TransientFailure) as failure:
        read(model)
    assert (failure.value.code, failure.value.costs_attempt) == (code, costs)


@pytest.mark.parametrize(
    ("status", "code", "setting"),
    [
        (400, "model_rejected_request", "PAGES_PER_CALL"),
        (401, "model_key_refused", "OPENAI_API_KEY"),
        (402, "model_quota_exceeded", "OPENAI_API_KEY"),
        (403, "model_key_refused", "OPENAI_API_KEY"),
        (404, "model_not_found", "OPENAI_MODEL"),
        (413, "model_rejected_request", "PAGES_PER_CALL"),
        (422, "model_rejected_request", "PAGES_PER_CALL"),
    ],
)
def test_client_error_is_permanent_and_names_the_setting(
    model: ModelServer, status: int, code: str, setting: str
) -> None:
    model.fails(status)
    with pytest.raises(PermanentFailure) as failure:
        read(model)
    assert failure.value.code == code
    assert setting in failure.value.message
    assert "LLMock" not in failure.value.message


def test_exhausted_account_is_permanent_although_it_comes_as_429(model: ModelServer) -> None:
    model.fails(429, code="insufficient_quota")
    with pytest.raises(PermanentFailure) as failure:
        read(model)
    assert failure.value.code == "model_quota_exceeded"


@BOTH
def test_answer_cut_short_names_the_setting(model: ModelServer, api: Api) -> None:
    model.answers("## Summ", finish_reason="length")
    with pytest.raises(PermanentFailure, match="MAX_OUTPUT_TOKENS") as failure:
        read(model, api)
    assert failure.value.code == "answer_truncated"


@BOTH
def test_failed_request_is_sent_once(model: ModelServer, api: Api) -> None:
    model.fails(500, times=None)
    with pytest.raises(TransientFailure):
        read(model, api)
    assert model.calls() == 1


def test_long_document_is_read_in_parallel_batches_and_assembled(model: ModelServer) -> None:
    ports = FakePorts()
    model.answers("one part")
    analysis = process(context(), ports, rendering(7), make_reader(options(model)))
    assert analysis.result.count("one part") == 4
    assert analysis.result.endswith("# Page 7\n\none part")
    assert model.paid_calls() == 4
    assert sorted(ports.answers) == [0, 1, 2, 3]


def test_retry_after_a_failed_batch_pays_only_for_what_is_missing(model: ModelServer) -> None:
    model.answers("part")
    model.fails(500)
    ports = FakePorts()
    reader = make_reader(options(model))
    with pytest.raises(TransientFailure):
        process(context(max_parallel_calls=1), ports, rendering(6), reader)
    paid_before = model.paid_calls()
    again = context(pages_done=6, answers=dict(ports.answers))
    process(again, ports, rendering(6), reader)
    assert paid_before == len(again.answers)
    assert model.paid_calls() == 3


@BOTH
def test_warming_sends_nothing_and_the_reader_works_afterwards(model: ModelServer, api: Api) -> None:
    warm(options(model, api))
    assert model.calls() == 0
    assert read(model, api).text
