"""Waiting for a document over HTTP: tags, `Prefer: wait`, the event stream, with and without Valkey."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bson import ObjectId

from app.embedded import EmbeddedValkey
from tests.support.api import RunningApi, running_api, settings_for, wait_until
from tests.support.stores import Records

LONG_S = 30
NOBODYS = "0123456789abcdef01234567"


@pytest.fixture
def uploaded(api: RunningApi) -> str:
    return str(api.upload().json()["file_id"])


def cancel(api: RunningApi, file_id: str) -> None:
    assert api.client.post(f"/{file_id}/cancel").status_code == 200


def move(records: Records, file_id: str, **facts: Any) -> None:
    """A change that nobody announces."""
    records.update_one({"_id": ObjectId(file_id)}, {"$set": facts, "$inc": {"revision": 1}})


class Asking:
    """A request in a thread of its own."""

    def __init__(self, api: RunningApi, path: str, **headers: str) -> None:
        self._answers: list[httpx.Response] = []
        url = f"http://127.0.0.1:{api.port}{path}"
        self._thread = threading.Thread(
            target=lambda: self._answers.append(httpx.get(url, headers=headers, timeout=120)), daemon=True
        )
        self._thread.start()
        wait_until(lambda: api.services.watch.waiting > 0 or not self._thread.is_alive())

    def answer(self) -> httpx.Response:
        self._thread.join(90)
        return self._answers[0]


def events(response: httpx.Response) -> Iterator[dict[str, str]]:
    """The events of a stream, comments left out."""
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if not line:
            if event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = value


def test_an_answer_has_a_tag_and_the_same_state_is_not_sent_twice(api: RunningApi, uploaded: str) -> None:
    cancel(api, uploaded)
    first = api.client.get(f"/{uploaded}")
    tag = first.headers["etag"]
    assert tag.startswith(f'"{first.json()["revision"]}-')
    assert first.headers["cache-control"] == "private, no-cache"
    again = api.client.get(f"/{uploaded}", headers={"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert api.client.get(f"/{uploaded}", headers={"if-none-match": '"1-0123456789ab"'}).status_code == 200


def test_while_it_runs_the_answer_says_when_to_come_again(api: RunningApi, uploaded: str) -> None:
    assert "retry-after" in api.client.get(f"/{uploaded}").headers
    cancel(api, uploaded)
    assert "retry-after" not in api.client.get(f"/{uploaded}").headers


def test_who_waits_without_a_tag_is_answered_at_the_end(
    api: RunningApi, uploaded: str, records: Records
) -> None:
    asking = Asking(api, f"/{uploaded}", prefer=f"wait={LONG_S}")
    move(records, uploaded, progress={"stage": "waiting"})
    cancel(api, uploaded)
    answer = asking.answer()
    assert answer.json()["status"] == "cancelled"
    assert answer.headers["preference-applied"] == f"wait={LONG_S}"


def test_who_waits_with_a_tag_is_answered_at_the_next_change(
    api: RunningApi, uploaded: str, records: Records
) -> None:
    tag = api.client.get(f"/{uploaded}").headers["etag"]
    asking = Asking(api, f"/{uploaded}?wait={LONG_S}", **{"if-none-match": tag})
    move(records, uploaded, name="renamed.pdf")  # not announced: the slow look finds it
    assert asking.answer().json()["name"] == "renamed.pdf"


def test_who_has_an_old_tag_does_not_wait(api: RunningApi, uploaded: str) -> None:
    old = {"if-none-match": '"1-0123456789ab"', "prefer": f"wait={LONG_S}"}
    assert api.client.get(f"/{uploaded}", headers=old).json()["status"] == "queued"


def test_when_nothing_happens_the_current_state_is_answered(api: RunningApi, uploaded: str) -> None:
    answer = api.client.get(f"/{uploaded}", headers={"prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [("wait=9999", "wait=0"), ("respond-async, WAIT=0", "wait=0"), ("wait=soon", None), ("", None)],
)
def test_a_wait_is_bounded_and_said_to_be_applied(
    tmp_path: Path, mongo_url: str, mongo_db: str, valkey_url: str, prefer: str, applied: str | None
) -> None:
    with running_api(settings_for(tmp_path, mongo_url, mongo_db, valkey_url, wait_max_s=0)) as api:
        file_id = api.upload().json()["file_id"]
        answer = api.client.get(f"/{file_id}", headers={"prefer": prefer})
    assert answer.headers.get("preference-applied") == applied


def test_who_waits_for_a_document_that_is_deleted_is_told(api: RunningApi, uploaded: str) -> None:
    asking = Asking(api, f"/{uploaded}", prefer=f"wait={LONG_S}")
    assert api.client.delete(f"/{uploaded}").status_code == 204
    assert asking.answer().status_code == 404


def test_a_stream_begins_with_the_current_state_and_ends_with_the_last(
    api: RunningApi, uploaded: str, records: Records
) -> None:
    with api.client.stream("GET", f"/{uploaded}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = events(response)
        first = next(stream)
        assert '"status":"queued"' in first["data"]
        move(records, uploaded, progress={"stage": "waiting", "pages_done": 1})
        second = next(stream)
        assert int(second["id"]) > int(first["id"])
        cancel(api, uploaded)
        last = next(stream)
        assert '"status":"cancelled"' in last["data"]
        assert list(stream) == []
    again = api.client.get(f"/{uploaded}/events", headers={"last-event-id": last["id"]})
    assert again.status_code == 204


def test_a_stream_is_resumed_where_it_was_left(api: RunningApi, uploaded: str) -> None:
    revision = str(api.record(uploaded)["revision"])
    resumed = {"last-event-id": revision}
    with api.client.stream("GET", f"/{uploaded}/events", headers=resumed) as response:
        cancel(api, uploaded)
        assert '"status":"cancelled"' in next(events(response))["data"]
    missed = {"last-event-id": "1"}
    with api.client.stream("GET", f"/{uploaded}/events", headers=missed) as response:
        assert '"status":"cancelled"' in next(events(response))["data"]


def test_a_stream_of_a_deleted_document_says_so(api: RunningApi, uploaded: str) -> None:
    with api.client.stream("GET", f"/{uploaded}/events") as response:
        stream = events(response)
        next(stream)
        api.client.delete(f"/{uploaded}")
        assert next(stream)["event"] == "deleted"


def test_nobody_waits_for_what_is_not_there(api: RunningApi) -> None:
    assert api.client.get(f"/{NOBODYS}", headers={"prefer": f"wait={LONG_S}"}).status_code == 404
    assert api.client.get(f"/{NOBODYS}/events").status_code == 404


def test_a_client_that_leaves_is_not_waited_for(api: RunningApi, uploaded: str) -> None:
    with api.client.stream("GET", f"/{uploaded}/events") as response:
        told = events(response)  # kept: when this ends, so does the connection
        next(told)
        assert api.services.watch.waiting == 1
    cancel(api, uploaded)
    wait_until(lambda: api.services.watch.waiting == 0)


def test_changes_are_seen_while_valkey_is_dead_and_after_it_is_back(
    tmp_path: Path, mongo_url: str, mongo_db: str
) -> None:
    with EmbeddedValkey(tmp_path / "valkey", persistent=False) as valkey:
        settings = settings_for(tmp_path, mongo_url, mongo_db, valkey.url)
        with running_api(settings) as api:
            ids = [api.upload().json()["file_id"] for _ in range(2)]
            dead = Asking(api, f"/{ids[0]}", prefer=f"wait={LONG_S}")
            valkey.kill()
            cancel(api, ids[0])
            assert dead.answer().json()["status"] == "cancelled"
            valkey.restart()
            back = Asking(api, f"/{ids[1]}", prefer=f"wait={LONG_S}")
            cancel(api, ids[1])
            assert back.answer().json()["status"] == "cancelled"


def test_an_api_that_stops_sends_those_who_wait_away(
    tmp_path: Path, mongo_url: str, mongo_db: str, valkey_url: str
) -> None:
    with running_api(settings_for(tmp_path, mongo_url, mongo_db, valkey_url)) as api:
        file_id = api.upload().json()["file_id"]
        asking = Asking(api, f"/{file_id}", prefer=f"wait={LONG_S}")
        began = time.monotonic()
        api.services.watch.leave()
        assert asking.answer().json()["status"] == "queued"
        assert time.monotonic() - began < LONG_S
