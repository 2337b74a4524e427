"""The client against a server whose every answer is written down."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import (
    ApiError,
    AsyncClient,
    Client,
    Document,
    DocumentFailed,
    NotFinished,
    Unreachable,
    WaitTimeout,
)
from tests.support.script import FILE_ID, Script, problem, record, shown, unchanged

URL = "http://rag.invalid"
ACCEPTED = httpx.Response(202, json={"file_id": FILE_ID})
AWAY = problem(503, "unavailable", retryable=True)


def client(script: Script, **more: Any) -> Client:
    return Client(URL, transport=script, **more)


def test_an_upload_that_is_tried_again_is_the_same_upload_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "resume.pdf"
    path.write_bytes(b"%PDF-1.4 all of it")
    script = Script(httpx.ConnectError, httpx.ReadError, AWAY, ACCEPTED)
    assert client(script).upload(path, prompt="What?") == FILE_ID
    assert len({request.headers["idempotency-key"] for request in script.requests}) == 1
    assert all(b"%PDF-1.4 all of it" in body and b"What?" in body for body in script.bodies)
    assert b'filename="resume.pdf"' in script.bodies[-1]


def test_two_uploads_have_keys_of_their_own_unless_one_is_given() -> None:
    script = Script(ACCEPTED)
    one = client(script)
    for key in (None, None, "mine"):
        one.upload(io.BytesIO(b"%PDF"), idempotency_key=key)
    keys = [request.headers["idempotency-key"] for request in script.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_an_open_file_is_sent_from_where_it_stands_each_time_and_counted() -> None:
    file = io.BytesIO(b"headeronly this")
    file.seek(6)
    script, sent = Script(AWAY, ACCEPTED), list[int]()
    client(script).upload(file, name="a.pdf", on_sent=sent.append)
    assert all(b"only this" in body and b"header" not in body for body in script.bodies)
    assert sent == [9, 9]


def test_a_refusal_is_told_at_once_with_all_that_the_server_said() -> None:
    script = Script(problem(413, "file_too_large"))
    with pytest.raises(ApiError) as caught:
        client(script).upload(io.BytesIO(b"%PDF"))
    error = caught.value
    assert (error.code, error.message, error.retryable) == ("file_too_large", "what to do", False)
    assert (error.status, error.request_id, len(script.requests)) == (413, "req-1", 1)


def test_without_patience_a_server_that_is_away_is_told_at_once() -> None:
    script = Script(httpx.ConnectError)
    with pytest.raises(Unreachable) as caught:
        client(script, patience_s=0).get(FILE_ID)
    assert caught.value.retryable
    assert len(script.requests) == 1


def test_a_pause_that_the_server_asks_for_and_patience_does_not_reach_is_not_made() -> None:
    script = Script(problem(507, "storage_full", retryable=True, **{"retry-after": "3600"}))
    with pytest.raises(ApiError) as caught:
        client(script).upload(io.BytesIO(b"%PDF"))
    assert (caught.value.code, caught.value.retry_after_s, len(script.requests)) == ("storage_full", 3600, 1)


def test_a_cancel_that_may_have_been_heard_is_not_sent_again() -> None:
    script = Script(httpx.ReadError, shown("cancelled"))
    with pytest.raises(Unreachable):
        client(script).cancel(FILE_ID)
    assert len(script.requests) == 1
    assert client(Script(httpx.ConnectError, shown("cancelled"))).cancel(FILE_ID).status == "cancelled"


def test_waiting_names_the_state_it_has_and_asks_to_be_told_of_the_next() -> None:
    script = Script(
        shown("queued", 1), unchanged(), shown("processing", 2), shown("api call done", 3, result="x")
    )
    seen: list[str] = []
    document = client(script).wait(FILE_ID, on_progress=lambda d: seen.append(d.status))
    assert (document.status, document.result, document.done) == ("api call done", "x", True)
    assert seen == ["queued", "processing", "api call done"]
    first, second, third, fourth = script.requests
    assert "prefer" not in first.headers
    assert second.headers["prefer"].startswith("wait=")
    assert second.headers["if-none-match"] == third.headers["if-none-match"] == '"1-0123456789ab"'
    assert fourth.headers["if-none-match"] == '"2-0123456789ab"'


def test_waiting_goes_on_through_an_outage_and_tells_of_it() -> None:
    script = Script(
        shown(), httpx.ReadError, httpx.ConnectError, httpx.Response(502), unchanged(), shown("failed", 2)
    )
    seen: list[str] = []
    document = client(script).wait(
        FILE_ID, on_progress=lambda d: seen.append(d.status), on_outage=lambda e: seen.append(e.code)
    )
    assert document.status == "failed"
    assert seen == ["queued", "unreachable", "unreachable", "unavailable", "queued", "failed"]
    assert ["prefer" in request.headers for request in script.requests] == [
        False, True, False, False, False, True,
    ], "whether the server is back is not waited for"  # fmt: skip


def test_waiting_for_what_is_not_there_ends_with_the_server_s_word() -> None:
    script = Script(shown(), problem(404, "not_found"))
    with pytest.raises(ApiError) as caught:
        client(script).wait(FILE_ID)
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("last", [unchanged(), httpx.ConnectError])
def test_waiting_ends_in_time_with_what_was_known_last(last: Any) -> None:
    with pytest.raises(WaitTimeout) as caught:
        client(Script(shown(), last)).wait(FILE_ID, 0)
    assert caught.value.file_id == FILE_ID
    assert caught.value.document is not None
    assert caught.value.document.status == "queued"


def test_a_result_is_the_text_or_the_reason_why_there_is_none() -> None:
    assert client(Script(shown("api call done", result="# Ann"))).result(FILE_ID) == "# Ann"
    with pytest.raises(NotFinished):
        client(Script(shown("processing"))).result(FILE_ID)
    error = {"code": "encrypted", "message": "It has a password.", "retryable": False}
    with pytest.raises(DocumentFailed, match="It has a password"):
        client(Script(shown("failed", error=error))).result(FILE_ID)


def test_the_list_follows_its_pages_and_never_to_another_host() -> None:
    pages = [
        httpx.Response(
            200,
            json={"files": [record(), record()]},
            headers={"link": '<https://evil.invalid/files?cursor=b>; rel="next"'},
        ),
        httpx.Response(200, json={"files": [record("failed")]}),
    ]
    script = Script(*pages)
    found = list(client(script, api_key="frag_secret").list(page_size=2, status="failed"))
    assert [document.status for document in found] == ["queued", "queued", "failed"]
    first, second = (str(request.url) for request in script.requests)
    assert first == f"{URL}/files?limit=2&status=failed"
    assert second == f"{URL}/files?cursor=b"


STREAM = (
    b": still here\n\nid: 1\nevent: status\ndata: " + b'{"status": "queued", "revision": 1}\n\n',
    b"id: 2\nevent: status\ndata: " + b'{"status": "api call done", "revision": 2}\n\n',
)


def test_events_go_on_after_the_one_that_was_read_last() -> None:
    script = Script(*(httpx.Response(200, content=part) for part in STREAM))
    assert [event.status for event in client(script).events(FILE_ID)] == ["queued", "api call done"]
    assert "last-event-id" not in script.requests[0].headers
    assert script.requests[1].headers["last-event-id"] == "1"


def test_events_of_a_document_that_goes_or_has_ended_come_to_an_end() -> None:
    gone = Script(httpx.Response(200, content=b"event: deleted\ndata: {}\n\n"))
    (event,) = client(gone).events(FILE_ID)
    assert event.deleted
    assert list(client(Script(httpx.Response(204))).events(FILE_ID)) == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"status": "queued"}),
        httpx.Response(302, headers={"location": "https://evil.invalid"}),
        httpx.Response(404, text="nothing"),
    ],
)
def test_what_is_no_full_rag_server_is_said_to_be_none(answer: httpx.Response) -> None:
    with pytest.raises(ApiError, match="Check the URL") as caught:
        client(Script(answer)).get(FILE_ID)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "url",
    [
        "",
        "rag.invalid",
        "ftp://rag.invalid",
        "http://",
        "http://a:b@rag.invalid",
        "http://h:x",
        "http://h/?a=b",
    ],
)
def test_a_url_that_cannot_be_one_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValueError, match="The server's URL must"):
        Client(url)


def test_a_key_is_sent_as_a_header_and_never_repeated_by_an_error() -> None:
    script = Script(shown())
    client(script, api_key=" frag_secret\n").get(FILE_ID)
    assert script.requests[0].headers["authorization"] == "Bearer frag_secret"
    with pytest.raises(ValueError, match="API key") as caught:
        client(script, api_key="frag_sécret")
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("file_id", ["", "..", "files", FILE_ID + "/events", FILE_ID[:-1] + "g"])
def test_what_is_no_id_is_never_asked_for(file_id: str) -> None:
    with pytest.raises(ValueError, match="24 hexadecimal digits"):
        client(Script(shown())).get(file_id)


ASYNC_CALLS: dict[str, tuple[tuple[httpx.Response, ...], Callable[[AsyncClient], Any], str]] = {
    "upload": ((AWAY, ACCEPTED), lambda c: c.upload(io.BytesIO(b"%PDF")), FILE_ID),
    "get": ((AWAY, shown()), lambda c: c.get(FILE_ID), "queued"),
    "wait": ((shown(), AWAY, unchanged(), shown("failed", 2)), lambda c: c.wait(FILE_ID), "failed"),
    "result": ((shown("api call done", result="x"),), lambda c: c.result(FILE_ID), "x"),
    "retry": ((shown(),), lambda c: c.retry(FILE_ID), "queued"),
    "cancel": ((shown("cancelled"),), lambda c: c.cancel(FILE_ID), "cancelled"),
    "delete": ((httpx.Response(204),), lambda c: c.delete(FILE_ID), "None"),
}


@pytest.mark.parametrize("call", ASYNC_CALLS)
def test_the_async_client_does_what_the_other_does(call: str) -> None:
    lines, ask, expected = ASYNC_CALLS[call]

    async def asked() -> Any:
        async with AsyncClient(URL, transport=Script(*lines)) as one:
            return await ask(one)

    answer = asyncio.run(asked())
    assert (answer.status if isinstance(answer, Document) else str(answer)) == expected


def test_the_async_client_lists_and_follows() -> None:
    async def asked() -> tuple[list[str], list[str]]:
        rows = Script(httpx.Response(200, json={"files": [record()]}))
        async with AsyncClient(URL, transport=rows) as one:
            listed = [document.status async for document in one.list()]
        stream = Script(*(httpx.Response(200, content=part) for part in STREAM))
        async with AsyncClient(URL, transport=stream) as one:
            return listed, [event.status async for event in one.events(FILE_ID)]

    assert asyncio.run(asked()) == (["queued"], ["queued", "api call done"])
