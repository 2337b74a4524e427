"""The OpenAI reader against what servers do when they misbehave: headers, bodies and connections."""

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from app.domain.errors import DomainError, PermanentFailure, TransientFailure
from app.domain.result import Answer, Usage
from app.pipeline.vision import ReaderOptions, make_reader
from tests.support.pipeline_fakes import context, page
from tests.support.scripted_http import Scripted, scripted_server


def read(base_url: str, **changes: Any) -> Answer:
    fields: dict[str, Any] = {"kind": "openai", "base_url": base_url, "timeout_s": 60.0}
    return make_reader(ReaderOptions(**(fields | changes))).read(context(), [page(1)], 0, 1)


def failure_of(reply: Scripted, **changes: Any) -> DomainError:
    with scripted_server(reply) as server, pytest.raises(DomainError) as failure:
        read(server.base_url, **changes)
    assert len(server.requests) == 1
    return failure.value


def said(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"status": "completed", "output": [{"type": "message", "content": list(parts)}]} | fields


def chat(message: dict[str, Any], reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": reason}]}


TEXT = {"type": "output_text", "text": "fine"}
REFUSAL = {"type": "refusal", "refusal": "I will not tell SECRET"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (said(REFUSAL), "content_refused"),
        (said(TEXT, status="incomplete", incomplete_details={"reason": "content_filter"}), "content_refused"),
        (
            said(TEXT, status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "answer_truncated",
        ),
        (said(TEXT, status="failed", error={"code": "invalid_image"}), "model_rejected_request"),
    ],
)
def test_reply_that_is_no_answer_fails_for_good(body: dict[str, Any], code: str) -> None:
    failure = failure_of(Scripted(body=body))
    assert isinstance(failure, PermanentFailure)
    assert failure.code == code
    assert "SECRET" not in failure.message


@pytest.mark.parametrize(
    ("body", "code", "costs"),
    [
        (said(), "model_empty_answer", True),
        (said({"type": "output_text", "text": " \n"}), "model_empty_answer", True),
        ({"output": [{"type": "reasoning", "content": [TEXT]}]}, "model_empty_answer", True),
        ({"output": "nonsense"}, "model_empty_answer", True),
        ([1, 2], "model_empty_answer", True),
        (None, "model_empty_answer", True),
        (b"<html>It works!</html>", "model_bad_answer", True),
        (b"", "model_bad_answer", True),
        (said(TEXT, status="failed", error={"code": "server_error"}), "model_error", True),
        (said(TEXT, status="failed", error=None), "model_error", True),
        (said(TEXT, status="failed", error={"code": "rate_limit_exceeded"}), "model_rate_limited", False),
    ],
)
def test_reply_without_an_answer_is_tried_again(body: Any, code: str, costs: bool) -> None:
    failure = failure_of(Scripted(body=body))
    assert isinstance(failure, TransientFailure)
    assert (failure.code, failure.costs_attempt) == (code, costs)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (chat({"content": None, "refusal": "no"}), "content_refused"),
        (chat({"content": "half"}, "content_filter"), "content_refused"),
        (chat({"content": "half"}, "length"), "answer_truncated"),
        (chat({"content": None}), "model_empty_answer"),
        ({"choices": []}, "model_empty_answer"),
        ({"choices": [{"message": "text"}]}, "model_empty_answer"),
    ],
)
def test_chat_reply_without_an_answer_has_its_code(body: Any, code: str) -> None:
    assert failure_of(Scripted(body=body), api="chat").code == code


def test_chat_answer_in_parts_is_one_text() -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    with scripted_server(Scripted(body=chat({"content": parts}))) as server:
        assert read(server.base_url, api="chat").text == "one two"


def test_answer_survives_half_a_surrogate_pair_and_odd_counts() -> None:
    body = b"""{"output": [{"type": "message", "content": [{"type": "output_text", "text": "a\\ud800b"}]}],
        "model": 7, "usage": {"input_tokens": -4, "output_tokens": 3}}"""
    with scripted_server(Scripted(body=body)) as server:
        answer = read(server.base_url, model="asked")
    assert answer == Answer("a?b", "asked", Usage(0, 3))


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"Retry-After": "12"}, 12, 12),
        ({"Retry-After": "0.5"}, 0.5, 0.5),
        ({"Retry-After": "-3"}, 0, 0),
        ({"Retry-After": "99999999999999999999"}, 3600, 3600),
        ({"Retry-After": "inf"}, 3600, 3600),
        ({"Retry-After": "1e999"}, 3600, 3600),
        ({"retry-after-ms": "1500", "Retry-After": "2"}, 1.5, 1.5),
        (
            {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(minutes=50), usegmt=True)},
            1800,
            3000,
        ),
        ({"Retry-After": format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True)}, 0, 0),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"}, None, 3600),
        ({"Retry-After": "nan"}, None, None),
        ({"Retry-After": "soon"}, None, None),
        ({"Retry-After": ""}, None, None),
        ({}, None, None),
    ],
)
def test_retry_after_is_read_and_bounded(
    headers: dict[str, str], low: float | None, high: float | None
) -> None:
    failure = failure_of(Scripted(429, {"error": {"message": "slow down"}}, headers))
    assert isinstance(failure, TransientFailure)
    waited = failure.retry_after_s
    if waited is None:
        assert low is None
    else:
        assert high is not None
        assert (low or 0) <= waited <= high


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (429, {"error": {"type": "insufficient_quota", "code": None}}, "model_quota_exceeded"),
        (
            429,
            {"error": {"message": "Request too large for gpt-x: Limit 3, Requested 4"}},
            "model_rejected_request",
        ),
        (400, {"error": {"code": "content_policy_violation"}}, "content_refused"),
        (400, b"<h1>no</h1>", "model_rejected_request"),
        (405, {}, "model_not_found"),
        (408, {}, "model_timeout"),
        (409, {}, "model_error"),
        (529, {}, "model_error"),
        (418, [], "model_rejected_request"),
    ],
)
def test_unusual_status_has_its_code(status: int, body: Any, code: str) -> None:
    assert failure_of(Scripted(status, body)).code == code


def test_busy_server_may_say_how_long_to_wait() -> None:
    failure = failure_of(Scripted(503, {}, {"Retry-After": "9"}))
    assert isinstance(failure, TransientFailure)
    assert (failure.retry_after_s, failure.costs_attempt, failure.waiting_for) == (9, False, "provider")


def test_refused_connection_costs_no_attempt() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connecting is refused
        with pytest.raises(TransientFailure) as failure:
            read(f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
    assert failure.value.code == "model_unavailable"
    assert (failure.value.costs_attempt, failure.value.waiting_for) == (False, "provider")


def test_connection_that_breaks_after_the_request_costs_an_attempt() -> None:
    failure = failure_of(Scripted(cut=True))
    assert isinstance(failure, TransientFailure)
    assert (failure.code, failure.costs_attempt) == ("model_connection_lost", True)


def test_silent_server_is_a_timeout_that_costs_an_attempt() -> None:
    failure = failure_of(Scripted(hang=True), timeout_s=0.5)
    assert isinstance(failure, TransientFailure)
    assert "OPENAI_TIMEOUT_S" in failure.message
    assert (failure.code, failure.costs_attempt) == ("model_timeout", True)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/v1", "127.0.0.1:9/v1", "http://[::1/v1", "http://a:b:c/v1"])
def test_address_that_cannot_be_called_names_the_setting(url: str) -> None:
    with pytest.raises(PermanentFailure, match="OPENAI_BASE_URL") as failure:
        read(url)
    assert failure.value.code == "model_url_invalid"


@pytest.mark.parametrize("key", ["sk-ключ", "sk-a\nb"])
def test_key_that_no_header_can_hold_is_refused_without_being_shown(key: str) -> None:
    with scripted_server(Scripted(body=said(TEXT))) as server, pytest.raises(PermanentFailure) as failure:
        read(server.base_url, api_key=key)
    assert failure.value.code == "model_key_refused"
    assert key not in str(failure.value)


@pytest.mark.parametrize(("key", "sent"), [("sk-test", "Bearer sk-test"), (None, "Bearer unused")])
def test_key_is_sent_as_bearer_and_a_server_without_keys_gets_a_stand_in(key: str | None, sent: str) -> None:
    with scripted_server(Scripted(body=said(TEXT))) as server:
        read(server.base_url, api_key=key)
    assert server.requests[0][1]["authorization"] == sent


def test_options_never_show_the_key() -> None:
    assert "sk-secret" not in repr(ReaderOptions(kind="openai", api_key="sk-secret"))


def test_model_on_this_machine_is_not_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with scripted_server(Scripted(body=said(TEXT))) as server:
        assert read(server.base_url).text == "fine"
