"""Batches over HTTP, against the real stores: one request, one progress, one file of results."""

import asyncio
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from bson import ObjectId

from app.config import ApiSettings
from app.db.client import async_client, async_database
from app.db.collections.batches import Batches
from app.db.collections.deliveries import Deliveries
from app.db.collections.endpoints import Endpoints
from app.db.collections.outbox import Outbox
from app.db.db import DELIVERIES
from app.notify.fan_out import FanOut
from tests.support.api import PDF, RunningApi, files_under, running_api, wait_until
from tests.support.batches import NO_PDF, pdf, seen, sent, several
from tests.support.callers import code_of
from tests.support.stores import Records

FAILURE = {"code": "page_unreadable", "message": "It cannot be read. Send another.", "retryable": False}
FINISHED = {"status": "api call done", "ended_at": datetime(2026, 1, 1, tzinfo=UTC)}


def put(records: Records, *file_ids: str, **facts: Any) -> None:
    ids = [ObjectId(one) for one in file_ids]
    assert records.update_many({"_id": {"$in": ids}}, {"$set": facts}).matched_count == len(ids)


def rows(api: RunningApi, batch_id: str) -> list[dict[str, str]]:
    answer = api.client.get(f"/batches/{batch_id}?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="batch-{batch_id}.csv"'
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_three_hundred_files_are_one_request_and_one_progress(
    api: RunningApi, records: Records, batches: Records
) -> None:
    contents = [pdf(n) if n % 60 != 7 else NO_PDF for n in range(300)]
    form = {"prompt": "Who?", "metadata": '{"job": "4711"}'}
    answer = api.client.post("/upload", **several(*contents, data=form))
    assert answer.status_code == 202, answer.text
    batch_id, ids = answer.json()["batch_id"], answer.json()["file_ids"]
    assert answer.headers["location"] == f"/batches/{batch_id}"
    assert [one["name"] for one in answer.json()["refused"]] == [f"{n}.pdf" for n in range(7, 300, 60)]
    assert {one["code"] for one in answer.json()["refused"]} == {"unsupported_type"}
    assert len(ids) == len(set(ids)) == 295
    stored = {str(one["_id"]): one for one in records.find()}
    assert set(stored) == set(ids)
    assert {one["options"]["prompt"] for one in stored.values()} == {"Who?"}
    assert {one["metadata"]["job"] for one in stored.values()} == {"4711"}
    put(records, *ids[:290], result="read", **FINISHED)
    put(records, *ids[290:], **FINISHED | {"status": "failed", "error": FAILURE})
    view = seen(api, batch_id)
    assert (view["status"], view["total"], view["ended"]) == ("complete", 295, 295)
    assert view["counts"] == {"api call done": 290, "failed": 5}
    table = rows(api, batch_id)
    assert [row["file_id"] for row in table] == ids + [""] * 5
    assert [row["error_code"] for row in table if row["error_code"]] == [FAILURE["code"]] * 5 + [
        "unsupported_type"
    ] * 5
    retried = api.client.post(f"/batches/{batch_id}/retry")
    assert (retried.status_code, retried.json()["retried"], retried.json()["not_retried"]) == (202, 5, 0)
    assert seen(api, batch_id)["counts"] == {"api call done": 290, "queued": 5}
    assert {one["retried_by"] is not None for one in records.find({"status": "queued"})} == {True}


def test_documents_of_a_batch_are_documents_like_any_other(api: RunningApi, records: Records) -> None:
    batch = sent(api, PDF, PDF + b"2")
    view = api.record(batch["file_ids"][1])
    assert (view["name"], view["status"], view["batch_id"]) == ("1.pdf", "queued", batch["batch_id"])
    listed = api.client.get("/files", params={"batch_id": batch["batch_id"]}).json()["files"]
    assert [one["_id"] for one in listed] == batch["file_ids"][::-1]
    wait_until(lambda: records.count_documents({"rung_at": {"$exists": True}}) == 2)


def test_a_single_file_is_no_batch(api: RunningApi, batches: Records) -> None:
    assert set(sent(api, PDF)) == {"file_id"}
    assert batches.count_documents({}) == 0


def test_a_batch_of_which_nothing_can_be_taken_is_refused(
    api: RunningApi, records: Records, batches: Records
) -> None:
    answer = api.client.post("/upload", **several(NO_PDF, b""))
    assert (answer.status_code, code_of(answer)) == (400, "file_empty")
    assert [one["code"] for one in answer.json()["refused"]] == ["unsupported_type", "file_empty"]
    assert answer.json()["file_ids"] == []
    assert records.count_documents({}) == batches.count_documents({}) == 0


def test_one_refused_file_leaves_nothing_and_the_others_stay(
    api: RunningApi, records: Records, kept: Path
) -> None:
    too_large = PDF + b"x" * 2 * 2**20
    batch = sent(api, too_large, PDF, NO_PDF)
    assert [one["code"] for one in batch["refused"]] == ["file_too_large", "unsupported_type"]
    (record,) = records.find()
    assert batch["file_ids"] == [str(record["_id"])]
    assert files_under(kept) == sorted([batch["file_ids"][0], record["blob"]])


def test_a_quota_refuses_those_documents_that_find_no_room(settings: ApiSettings, records: Records) -> None:
    with running_api(settings.model_copy(update={"max_in_flight": 2})) as api:
        batch = sent(api, PDF, PDF, PDF, PDF)
        assert len(batch["file_ids"]) == 2
        assert [one["code"] for one in batch["refused"]] == ["too_many_in_flight"] * 2
        put(records, *batch["file_ids"], **FINISHED | {"status": "failed", "error": FAILURE})
        sent(api, PDF)
        retried = api.client.post(f"/batches/{batch['batch_id']}/retry").json()
        assert (retried["retried"], retried["not_retried"]) == (1, 1)


def test_a_batch_is_one_request_to_the_rate_limit(settings: ApiSettings) -> None:
    with running_api(settings.model_copy(update={"rate_limit_uploads": "2/hour"})) as api:
        sent(api, *[PDF] * 5)
        assert api.upload().status_code == 202
        assert api.upload().status_code == 429


def test_a_batch_s_tag_changes_when_a_document_does(api: RunningApi, records: Records) -> None:
    batch = sent(api, PDF, PDF)
    url = f"/batches/{batch['batch_id']}"
    first = api.client.get(url)
    assert (first.json()["status"], first.headers["retry-after"]) == ("running", "1")
    known = {"if-none-match": first.headers["etag"]}
    assert api.client.get(url, headers=known).status_code == 304
    put(records, batch["file_ids"][0], **FINISHED)
    assert api.client.get(url, headers=known).json()["ended"] == 1


def test_a_batch_is_cancelled_as_far_as_it_has_not_ended(api: RunningApi, records: Records) -> None:
    batch = sent(api, PDF, PDF, PDF)
    put(records, batch["file_ids"][1], **FINISHED)
    answer = api.client.post(f"/batches/{batch['batch_id']}/cancel")
    assert answer.json()["counts"] == {"api call done": 1, "cancelled": 2}
    assert answer.json()["status"] == "complete"
    assert api.client.post(f"/batches/{batch['batch_id']}/retry").json()["retried"] == 0, "none has failed"


def test_deleted_documents_are_counted_as_such(api: RunningApi) -> None:
    batch = sent(api, PDF, PDF)
    api.client.delete(f"/{batch['file_ids'][0]}")
    view = seen(api, batch["batch_id"])
    assert (view["total"], view["deleted"], view["counts"]) == (2, 1, {"queued": 1})


def test_a_table_holds_no_formula_and_every_line_break(api: RunningApi, records: Records) -> None:
    batch = sent(api, *[PDF] * 4, data={"metadata": '{"a": "b"}'})
    texts = ["=1+1", "@SUM(A1)", 'two\nlines, "quoted"', "-1"]
    for file_id, text in zip(batch["file_ids"], texts, strict=True):
        usage = {"model": "m", "input_tokens": 3, "output_tokens": 4}
        put(records, file_id, result=text, name="+name", usage=usage, pages=2, **FINISHED)
    table = rows(api, batch["batch_id"])
    assert [row["result"] for row in table] == ["'=1+1", "'@SUM(A1)", 'two\nlines, "quoted"', "'-1"]
    assert {row["name"] for row in table} == {"'+name"}
    assert table[0]["metadata"] == '{"a":"b"}'
    assert (table[0]["model"], table[0]["input_tokens"], table[0]["pages"]) == ("m", "3", "2")
    assert table[0]["ended_at"] == "2026-01-01T00:00:00Z"


def test_results_come_as_lines_of_json(api: RunningApi, records: Records) -> None:
    batch = sent(api, PDF, NO_PDF)
    put(records, *batch["file_ids"], result="=1+1", data={"a": [1]}, **FINISHED)
    answer = api.client.get(f"/batches/{batch['batch_id']}?format=jsonl")
    assert answer.headers["content-type"] == "application/x-ndjson"
    document, refused = (json.loads(line) for line in answer.text.splitlines())
    assert (document["result"], document["data"], document["error_code"]) == ("=1+1", {"a": [1]}, None)
    assert (refused["name"], refused["status"], refused["error_code"]) == (
        "1.pdf",
        "refused",
        "unsupported_type",
    )


def test_a_batch_is_forgotten_when_nothing_is_left_of_it(
    api: RunningApi, batches: Records, settings: ApiSettings
) -> None:
    kept, gone = sent(api, PDF, PDF), sent(api, PDF, PDF)
    for file_id in gone["file_ids"]:
        api.client.delete(f"/{file_id}")
    past = datetime.now(UTC) - timedelta(days=2)
    batches.update_many({}, {"$set": {"look_again_at": past}})

    async def look() -> int:
        async with async_client(settings.mongo_url.get_secret_value()) as client:
            return await Batches(async_database(client, settings.mongo_db)).forget_empty()

    assert asyncio.run(look()) == 1
    assert [one["_id"] for one in batches.find()] == [kept["batch_id"]]


def test_a_batch_that_is_not_there_is_not_found(api: RunningApi, batches: Records) -> None:
    others = sent(api, PDF, PDF)["batch_id"]
    batches.update_one({}, {"$set": {"owner": "somebody"}})
    for batch_id in ("nothing", others):
        for method, path in (("GET", ""), ("GET", "?format=csv"), ("POST", "/retry"), ("POST", "/cancel")):
            answer: httpx.Response = api.client.request(method, f"/batches/{batch_id}{path}")
            assert (answer.status_code, code_of(answer)) == (404, "not_found")


def test_the_end_of_a_batch_is_told_to_its_webhook_once_all_have_ended(
    api: RunningApi, batches: Records, settings: ApiSettings
) -> None:
    batch = sent(api, PDF, PDF, data={"webhook_url": "https://hooks.example.com/x"})

    async def fan_out() -> list[str]:
        async with async_client(settings.mongo_url.get_secret_value()) as client:
            database = async_database(client, settings.mongo_db)
            step = FanOut(Outbox(database), Deliveries(database), Endpoints(database)).step
            while await step():
                pass
            made = database[DELIVERIES].find({"batch_id": batch["batch_id"]})
            return [f"{one['event']['type']} {one['url']}" async for one in made]

    assert asyncio.run(fan_out()) == []
    api.client.post(f"/batches/{batch['batch_id']}/cancel")
    assert asyncio.run(fan_out()) == ["batch.completed https://hooks.example.com/x"]
