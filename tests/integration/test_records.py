"""Lists, originals, pages and results of documents over HTTP, against the real stores."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from bson import ObjectId

from app.domain.file import page_key, thumb_key
from tests.support.api import PDF, RunningApi
from tests.support.callers import code_of
from tests.support.stores import Records

NOBODYS = "0123456789abcdef01234567"
FAILURE = {"code": "page_unreadable", "message": "It cannot be read. Send another.", "retryable": False}


def put(records: Records, file_id: str, **facts: Any) -> None:
    assert records.update_one({"_id": ObjectId(file_id)}, {"$set": facts}).matched_count == 1


def uploaded(api: RunningApi, count: int = 1, name: str = "resume.pdf") -> list[str]:
    return [str(api.upload(name=name).json()["file_id"]) for _ in range(count)]


def listed(api: RunningApi, **wanted: Any) -> list[str]:
    answer = api.client.get("/files", params=wanted)
    assert answer.status_code == 200, answer.text
    return [one["_id"] for one in answer.json()["files"]]


def pages_of(api: RunningApi, limit: int) -> list[str]:
    """Every id, by following the links."""
    found: list[str] = []
    url: str | None = f"/files?limit={limit}"
    while url:
        answer = api.client.get(url)
        found += [one["_id"] for one in answer.json()["files"]]
        following = answer.links.get("next")
        assert (following is None) == (answer.json()["next_cursor"] is None)
        url = following["url"] if following else None
    return found


def test_documents_are_listed_newest_first_without_their_results(api: RunningApi, records: Records) -> None:
    ids = uploaded(api, 3)
    put(records, ids[1], result="a long text", data={"a": 1}, status="api call done")
    answer = api.client.get("/files").json()
    assert [one["_id"] for one in answer["files"]] == ids[::-1]
    assert answer["next_cursor"] is None
    assert "a long text" not in str(answer)
    assert {"name", "status", "size", "progress", "metadata"} <= set(answer["files"][0])
    assert not {"result", "data"} & set(answer["files"][0])


def test_a_list_of_nothing_is_empty(api: RunningApi) -> None:
    assert api.client.get("/files").json() == {"files": [], "next_cursor": None}


def test_documents_of_the_same_millisecond_come_once_each(api: RunningApi, records: Records) -> None:
    ids = uploaded(api, 7)
    records.update_many({}, {"$set": {"created_at": datetime(2026, 1, 1, tzinfo=UTC)}})
    for limit in (1, 2, 3, 7):
        found = pages_of(api, limit)
        assert found == sorted(ids, reverse=True)


def test_pages_are_complete_while_others_are_uploaded(api: RunningApi) -> None:
    before = uploaded(api, 12)
    stop = threading.Event()
    arrived: list[str] = []

    def upload() -> None:
        with httpx.Client(base_url=api.client.base_url, timeout=60) as client:
            while not stop.is_set():
                answer = client.post("/upload", files={"file": ("more.pdf", PDF)})
                arrived.append(answer.json()["file_id"])

    other = threading.Thread(target=upload)
    other.start()
    try:
        found = pages_of(api, 2)
    finally:
        stop.set()
        other.join()
    assert len(found) == len(set(found))
    assert [one for one in found if one in before] == before[::-1]
    assert set(found) <= {*before, *arrived}


def test_a_list_is_filtered(api: RunningApi, records: Records) -> None:
    cv, other = uploaded(api, name="CV (Ann) 100%.pdf") + uploaded(api, name="letter.pdf")
    put(records, cv, created_at=datetime(2026, 1, 1, 12, tzinfo=UTC), status="failed", batch_id="b1")
    put(records, cv, metadata={"job": "x=1&y", "stage": "new"})
    for wanted in (
        {"status": "failed"},
        {"name": "cv (ANN)"},
        {"name": "100%"},
        {"created_before": "2026-01-01T12:00:01Z"},
        {"created_before": "2026-01-01T13:00:01+01:00", "created_after": "2026-01-01T11:59:59"},
        {"batch_id": "b1"},
        {"metadata.job": "x=1&y"},
        {"metadata.job": "x=1&y", "metadata.stage": "new", "status": "failed"},
    ):
        assert listed(api, **wanted) == [cv], wanted
    assert listed(api, created_after="2026-01-01T12:00:00Z") == [other]
    for nothing in ({"name": ".*"}, {"name": "cv.("}, {"metadata.job": "x"}, {"batch_id": "b"}):
        assert listed(api, **nothing) == [], nothing


def test_a_link_keeps_the_filter(api: RunningApi, records: Records) -> None:
    ids = uploaded(api, 3)
    records.update_many({}, {"$set": {"metadata": {"job": "a&b"}}})
    uploaded(api)
    first = api.client.get("/files", params={"metadata.job": "a&b", "limit": 2})
    second = api.client.get(first.links["next"]["url"])
    assert [one["_id"] for one in first.json()["files"] + second.json()["files"]] == ids[::-1]
    assert "next" not in second.links


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "cursor=x", "status=done", "created_after=soon", "created_after=5",
     "created_after=0001-01-01T00:00:00%2B14:00", "created_before=9999-12-31T23:59:59-14:00",
     "statuss=failed", "metadata.=a",
     "metadata.a.b=c", "metadata.$a=c", "metadata.a=b&metadata.a=c", "name=" + "x" * 256],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(api: RunningApi, query: str) -> None:
    answer = api.client.get(f"/files?{query}")
    assert (answer.status_code, code_of(answer)) == (422, "invalid_request")


def test_deleted_documents_and_those_of_others_are_not_listed(api: RunningApi, records: Records) -> None:
    mine, deleted, others = uploaded(api, 3)
    api.client.delete(f"/{deleted}")
    put(records, others, owner="somebody")
    assert listed(api) == [mine]


@pytest.mark.parametrize(
    "name", ["resume.pdf", 'a "b" c.pdf', "سيرة ذاتية.pdf", "📄 履歴.pdf", "é" * 251 + ".pdf", "a;b%41.pdf"]
)
def test_the_original_comes_back_under_its_name(api: RunningApi, records: Records, name: str) -> None:
    (file_id,) = uploaded(api)
    put(records, file_id, name=name)
    answer = api.client.get(f"/{file_id}/file")
    assert (answer.status_code, answer.content) == (200, PDF)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-length"] == str(len(PDF))
    assert answer.headers["x-content-type-options"] == "nosniff"
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith("attachment; ")
    assert unquote(disposition.rpartition("''")[2]) == name
    again = api.client.get(f"/{file_id}/file", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_name_that_was_stored_with_line_breaks_breaks_no_header(api: RunningApi, records: Records) -> None:
    (file_id,) = uploaded(api)
    put(records, file_id, name='a"\r\nSet-Cookie: x=y')
    answer = api.client.get(f"/{file_id}/file")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


def test_an_original_that_is_gone_or_still_coming_is_said_to_be(api: RunningApi, records: Records) -> None:
    gone, coming = uploaded(api, 2)
    put(records, gone, blob=f"{gone}/nothing")
    put(records, coming, status="saving")
    assert code_of(api.client.get(f"/{gone}/file")) == "not_found"
    assert code_of(api.client.get(f"/{coming}/file")) == "still_saving"


def test_pages_and_their_thumbnails_are_pictures(api: RunningApi, records: Records) -> None:
    (file_id,) = uploaded(api)
    key = ObjectId(file_id)
    api.services.storage.put(page_key(key, 1), b"one")
    api.services.storage.put(thumb_key(key, 1), b"small")
    api.services.storage.put(page_key(key, 2), b"two")
    put(records, file_id, pages=2)
    first = api.client.get(f"/{file_id}/pages/1")
    assert (first.status_code, first.content, first.headers["content-type"]) == (200, b"one", "image/jpeg")
    assert first.headers["cache-control"].startswith("private")
    assert api.client.get(f"/{file_id}/pages/1?size=thumb").content == b"small"
    assert api.client.get(f"/{file_id}/pages/2?size=thumb").content == b"two", "no small one: the large one"
    again = api.client.get(f"/{file_id}/pages/1", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    missing = api.client.get(f"/{file_id}/pages/3")
    assert (code_of(missing), "has 2" in missing.text) == ("not_found", True)


@pytest.mark.parametrize("page", ["-1", "x", "1.jpg", "9" * 5000, "../1"])
def test_what_is_no_page_number_is_not_there(api: RunningApi, page: str) -> None:
    assert api.client.get(f"/{NOBODYS}/pages/{page}").status_code == 404


def test_a_result_comes_in_the_form_that_is_wanted(api: RunningApi, records: Records) -> None:
    (file_id,) = uploaded(api)
    put(records, file_id, status="api call done", result="# Ann é", data={"a": 1}, usage={"model": "m"})
    kinds = {}
    for accept in ("*/*", "text/markdown", "text/plain", "application/json"):
        answer = api.client.get(f"/{file_id}/result", headers={"accept": accept})
        kinds[accept] = answer.headers["content-type"]
        assert answer.headers["vary"] == "accept"
        if "json" in accept:
            assert answer.json() == {
                "_id": file_id, "name": "resume.pdf", "result": "# Ann é", "data": {"a": 1},
                "usage": {"model": "m"},
            }  # fmt: skip
        else:
            assert answer.content.decode() == "# Ann é"
        again = api.client.get(
            f"/{file_id}/result", headers={"accept": accept, "if-none-match": answer.headers["etag"]}
        )
        assert again.status_code == 304
    assert list(kinds.values()) == [
        "text/markdown; charset=utf-8", "text/markdown; charset=utf-8", "text/plain; charset=utf-8",
        "application/json",
    ]  # fmt: skip
    nothing = api.client.get(f"/{file_id}/result", headers={"accept": "image/png"})
    assert (nothing.status_code, code_of(nothing)) == (406, "not_acceptable")


def test_without_a_result_the_reason_is_told(api: RunningApi, records: Records) -> None:
    waiting, failed, cancelled = uploaded(api, 3)
    put(records, failed, status="failed", error=FAILURE)
    api.client.post(f"/{cancelled}/cancel")
    early = api.client.get(f"/{waiting}/result")
    assert (early.status_code, code_of(early), early.headers["retry-after"]) == (409, "not_finished", "1")
    broken = api.client.get(f"/{failed}/result")
    assert (broken.status_code, code_of(broken)) == (422, FAILURE["code"])
    assert broken.json()["detail"] == FAILURE["message"]
    stopped = api.client.get(f"/{cancelled}/result")
    assert (stopped.status_code, code_of(stopped)) == (409, "document_cancelled")


@pytest.mark.parametrize("path", ["file", "pages/1", "result"])
def test_of_what_is_not_there_there_is_nothing(api: RunningApi, records: Records, path: str) -> None:
    (others,) = uploaded(api)
    put(records, others, owner="somebody", status="api call done", result="x")
    for file_id in (NOBODYS, others):
        answer = api.client.get(f"/{file_id}/{path}")
        assert (answer.status_code, code_of(answer)) == (404, "not_found")


def test_moments_without_a_zone_are_in_utc(api: RunningApi, records: Records) -> None:
    (file_id,) = uploaded(api)
    created = records.find_one()["created_at"].replace(tzinfo=None)  # type: ignore[index]
    assert listed(api, created_after=(created - timedelta(seconds=1)).isoformat()) == [file_id]
    assert listed(api, created_after=(created + timedelta(seconds=1)).isoformat()) == []
