"""Webhooks from the end of a document to a receiver on this machine, over a real database."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from standardwebhooks import WebhookVerificationError

from app.db.transitions import person
from app.domain.file import PUBLIC_OWNER
from app.notify.lanes import LaneLimits
from app.notify.schedule import Schedule
from tests.support.receiver import BROKEN, GONE, HANG, OK, RESET, Answer, Receiver
from tests.support.records import Records
from tests.support.webhooks import Webhooks, eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def scene(mongo_url: str, mongo_db: str) -> Iterator[Webhooks]:
    with Records(mongo_url, mongo_db) as records, Receiver().running() as receiver:
        yield Webhooks(mongo_url, mongo_db, records, receiver)


async def test_each_end_of_a_document_is_told_with_a_thin_signed_body(scene: Webhooks) -> None:
    url = scene.receiver.url()
    ends = {
        "file.completed": (scene.completed(webhook_url=url), "api call done"),
        "file.failed": (scene.failed(webhook_url=url), "failed"),
        "file.cancelled": (scene.cancelled(webhook_url=url), "cancelled"),
    }
    async with scene.stores() as (endpoints, _), scene.delivering():
        await eventually(scene.settled)
        secret = (await endpoints.of_uploads(PUBLIC_OWNER))["secrets"][0]["key"]
    assert {one.event["type"] for one in scene.receiver.received} == set(ends)
    for one in scene.receiver.received:
        file_id, status = ends[one.event["type"]]
        assert one.event["data"] == {
            "id": str(file_id),
            "status": status,
            "name": "resume.pdf",
            "result_url": f"https://rag.example/{file_id}",
        }
        assert set(one.event) == {"type", "timestamp", "data"}
        assert datetime.fromisoformat(one.event["timestamp"]).tzinfo is not None
        assert one.headers["content-type"] == "application/json"
        assert one.verified_by(secret)


async def test_owner_s_endpoints_hear_what_they_asked_for_and_other_owners_nothing(scene: Webhooks) -> None:
    async with scene.stores() as (endpoints, _):
        everything = await endpoints.add("anna", scene.receiver.url("/all"), [])
        failures = await endpoints.add("anna", scene.receiver.url("/failed"), ["file.failed"])
        await endpoints.add("ben", scene.receiver.url("/ben"), [])
        scene.completed(owner="anna")
        scene.failed(owner="anna", webhook_url=scene.receiver.url("/upload"))
        async with scene.delivering():
            await eventually(scene.settled)
    heard = {
        path: sorted(one.event["type"] for one in scene.receiver.at(path)) for path in ("/all", "/failed")
    }
    assert heard == {"/all": ["file.completed", "file.failed"], "/failed": ["file.failed"]}
    assert len(scene.receiver.at("/upload")) == 1
    assert scene.receiver.at("/ben") == []
    (failed,) = scene.receiver.at("/failed")
    assert failed.verified_by(failures["secrets"][0]["key"])
    with pytest.raises(WebhookVerificationError):
        failed.verified_by(everything["secrets"][0]["key"])
    ids = {one.id for path in ("/failed", "/upload") for one in scene.receiver.at(path)}
    assert len(ids) == 1, "one event is one id, whoever is told"


async def test_what_nobody_wants_leaves_nothing_behind(scene: Webhooks) -> None:
    file_id = scene.completed()
    async with scene.delivering():
        await eventually(scene.handed_on)
    record = scene.records.get(file_id)
    assert "outbox" not in record
    assert "undelivered" not in record
    assert scene.deliveries.count_documents({}) == 0


async def test_two_secrets_sign_during_a_rotation_and_the_old_one_stops_after_it(scene: Webhooks) -> None:
    async with scene.stores() as (endpoints, _):
        old = await endpoints.add(PUBLIC_OWNER, scene.receiver.url(), [])
        new = await endpoints.rotate(old)
        assert new is not None
        assert await endpoints.rotate(old) is None, "who saw an old state rotates nothing"
        scene.completed()
        async with scene.delivering():
            await eventually(scene.settled)
            (first,) = scene.receiver.received
            over = scene.records.work.now() - timedelta(seconds=1)
            scene.records.database["endpoints"].update_one(
                {"_id": old["_id"]}, {"$set": {"secrets.1.until": over}}
            )
            scene.completed()
            await eventually(scene.settled)
        last = scene.receiver.received[-1]
    old_key, new_key = old["secrets"][0]["key"], new["secrets"][0]["key"]
    assert first.verified_by(old_key)
    assert first.verified_by(new_key)
    assert last.verified_by(new_key)
    with pytest.raises(WebhookVerificationError):
        last.verified_by(old_key)


async def test_failures_are_tried_again_under_the_same_id_and_each_attempt_is_on_record(
    scene: Webhooks,
) -> None:
    moved = Answer(301, {"location": scene.receiver.url("/elsewhere")}, b"")
    script = [BROKEN, RESET, moved, Answer(404, body=b"x" * 500), OK]
    scene.receiver.answer = lambda path, times: script[times - 1]
    scene.completed(webhook_url=scene.receiver.url())
    async with scene.delivering():
        await eventually(scene.settled)
    assert len({one.id for one in scene.receiver.received}) == 1
    assert len({one.body for one in scene.receiver.received}) == 1
    assert scene.receiver.at("/elsewhere") == [], "a redirect is not followed"
    delivery = scene.only_delivery()
    assert (delivery["state"], delivery["attempts_made"]) == ("delivered", 5)
    told = [(one.get("status"), one.get("answer"), "error" in one) for one in delivery["attempts"]]
    assert told[0] == (500, "broken  \ufffd", False)
    assert told[1] == (None, None, True)
    assert told[2] == (301, "", False)
    assert told[3] == (404, "x" * 200, False)
    assert told[4] == (200, "thanks", False)
    assert all(one["duration_ms"] >= 0 and one["at"] for one in delivery["attempts"])


async def test_a_receiver_that_never_answers_is_given_up_after_the_last_attempt(scene: Webhooks) -> None:
    scene.receiver.answer = lambda path, times: HANG
    scene.completed(webhook_url=scene.receiver.url())
    async with scene.delivering(schedule=Schedule(delays_s=(0.0, 0.01, 0.01)), timeout_s=0.2):
        await eventually(scene.settled)
    delivery = scene.only_delivery()
    assert (delivery["state"], delivery["reason"]) == ("failed", "attempts_used_up")
    assert [one["error"] for one in delivery["attempts"]] == ["timeout"] * 3
    assert delivery["remove_at"] > delivery["ended_at"]


async def test_retry_after_is_honoured(scene: Webhooks) -> None:
    scene.receiver.answer = lambda path, times: Answer(503, {"retry-after": "3600"})
    scene.completed(webhook_url=scene.receiver.url())
    async with scene.delivering():
        await eventually(lambda: scene.deliveries.count_documents({"attempts_made": 1}) == 1)
    delivery = scene.only_delivery()
    assert delivery["state"] == "pending"
    assert delivery["next_at"] - delivery["attempts"][0]["at"] >= timedelta(seconds=3600)


async def test_410_disables_the_endpoint_and_what_waits_for_it(scene: Webhooks) -> None:
    scene.receiver.answer = lambda path, times: GONE if path == "/gone" else OK
    async with scene.stores() as (endpoints, _):
        gone = await endpoints.add(PUBLIC_OWNER, scene.receiver.url("/gone"), [])
        await endpoints.add(PUBLIC_OWNER, scene.receiver.url("/other"), [])
        for _ in range(3):
            scene.completed()
        async with scene.delivering(limits=LaneLimits(per_lane=1)):
            await eventually(scene.settled)
            scene.completed()
            await eventually(scene.settled)
        found = await endpoints.find(gone["_id"], PUBLIC_OWNER)
    assert found is not None
    assert (found["enabled"], found["disabled_reason"]) == (False, "gone")
    assert len(scene.receiver.at("/gone")) == 1
    assert len(scene.receiver.at("/other")) == 4
    reasons = [one["reason"] for one in scene.deliveries.find({"endpoint": gone["_id"]})]
    assert sorted(reasons) == ["endpoint_disabled", "endpoint_disabled", "gone"]


async def test_410_ends_the_delivery_of_an_upload_s_url(scene: Webhooks) -> None:
    scene.receiver.answer = lambda path, times: GONE
    scene.completed(webhook_url=scene.receiver.url())
    async with scene.delivering():
        await eventually(scene.settled)
    delivery = scene.only_delivery()
    assert (delivery["state"], delivery["reason"]) == ("failed", "gone")
    assert len(scene.receiver.received) == 1


async def test_a_hanging_endpoint_holds_up_nobody_else(scene: Webhooks) -> None:
    """Every attempt for it hangs to the end of the test; whatever else is due goes past it."""
    scene.receiver.answer = lambda path, times: HANG if path == "/hanging" else OK
    async with scene.stores() as (endpoints, _):
        await endpoints.add("slow", scene.receiver.url("/hanging"), [])
        await endpoints.add("fast", scene.receiver.url("/fast"), [])
        for _ in range(12):
            scene.completed(owner="slow")
        for _ in range(6):
            scene.completed(owner="fast")
        async with scene.delivering(limits=LaneLimits(per_lane=2, per_owner=4, total=5), timeout_s=120):
            await eventually(lambda: len(scene.receiver.at("/fast")) == 6)
            assert len(scene.receiver.at("/hanging")) <= 2
            scene.receiver.release()


async def test_several_processes_share_the_work_and_send_each_event_once(scene: Webhooks) -> None:
    for _ in range(30):
        scene.cancelled(webhook_url=scene.receiver.url())
    async with scene.delivering(processes=3) as deliverers:
        await eventually(scene.settled)
    assert len(scene.receiver.received) == 30
    assert len({one.id for one in scene.receiver.received}) == 30
    assert sum(one.actions["delivered"] for one in deliverers) == 30


async def test_a_document_deleted_before_its_event_was_handed_on_is_told_of_without_its_name(
    scene: Webhooks,
) -> None:
    file_id = scene.completed(webhook_url=scene.receiver.url())
    stone = person.tombstone(scene.records.get(file_id), scene.records.work.now())
    scene.records.files.replace_one({"_id": file_id}, stone)
    async with scene.delivering():
        await eventually(scene.settled)
    (one,) = scene.receiver.received
    assert one.event["data"] == {
        "id": str(file_id), "status": "api call done", "name": None, "result_url": None,
    }  # fmt: skip
    assert set(scene.records.get(file_id)) == {"_id", "owner", "blob", "sha256", "deleted_at"}


async def test_an_event_that_comes_while_another_is_handed_on_is_not_lost(scene: Webhooks) -> None:
    file_id = scene.failed(webhook_url=scene.receiver.url())
    scene.retried(file_id)
    scene.apply(person.cancel(file_id, PUBLIC_OWNER, "mark", scene.records.work.now()))
    assert [one["type"] for one in scene.records.get(file_id)["outbox"]] == ["file.failed", "file.cancelled"]
    async with scene.delivering():
        await eventually(scene.settled)
    told = {one.event["type"]: one.event["data"]["status"] for one in scene.receiver.received}
    assert told == {"file.failed": "failed", "file.cancelled": "cancelled"}


async def test_redelivery_sends_the_same_event_again(scene: Webhooks) -> None:
    scene.receiver.answer = lambda path, times: GONE if times == 1 else OK
    file_id = scene.completed(webhook_url=scene.receiver.url())
    async with scene.stores() as (_, deliveries), scene.delivering():
        await eventually(scene.settled)
        (failed,) = await deliveries.of_file(file_id, PUBLIC_OWNER)
        assert failed["state"] == "failed"
        assert not await deliveries.redeliver(failed["_id"], "somebody else")
        assert await deliveries.redeliver(failed["_id"], PUBLIC_OWNER)
        await eventually(scene.settled)
        (delivered,) = await deliveries.of_file(file_id, PUBLIC_OWNER)
    assert (delivered["state"], len(delivered["attempts"])) == ("delivered", 2)
    assert len({one.id for one in scene.receiver.received}) == 1


async def test_a_target_inside_is_refused_at_delivery(scene: Webhooks) -> None:
    scene.completed(webhook_url="https://127.0.0.1/hook")
    scene.completed(webhook_url=scene.receiver.url())
    async with scene.delivering(schedule=Schedule(delays_s=(0.0,)), allow=""):
        await eventually(scene.settled)
    assert [one["attempts"][0]["error"] for one in scene.deliveries.find()] == ["url_refused"] * 2
    assert scene.receiver.received == []


async def test_a_batch_is_told_of_when_its_last_document_has_ended_and_again_after_a_retry(
    scene: Webhooks,
) -> None:
    hook = scene.receiver.url()
    first = scene.failed(batch_id="b1")
    last = scene.records.queued(batch_id="b1")
    async with scene.delivering():
        await eventually(scene.handed_on)
        scene.batch("b1", webhook_url=hook, total=2, check="closed")
        await eventually(lambda: scene.records.database["batches"].count_documents({"check": "closed"}) == 0)
        assert scene.receiver.received == []
        scene.apply(person.cancel(last, PUBLIC_OWNER, "mark", scene.records.work.now()))
        await eventually(lambda: len(scene.receiver.accepted()) == 1)
        scene.retried(first)
        scene.apply(person.cancel(first, PUBLIC_OWNER, "mark", scene.records.work.now()))
        await eventually(lambda: len(scene.receiver.accepted()) == 2)
    assert [json.loads(one.body)["type"] for one in scene.receiver.received] == ["batch.completed"] * 2
    assert scene.receiver.received[0].event["data"] == {
        "id": "b1", "status": "completed", "name": None, "result_url": "https://rag.example/batches/b1",
    }  # fmt: skip
    assert len({one.id for one in scene.receiver.received}) == 2


async def test_a_record_that_nobody_understands_keeps_no_other_waiting(scene: Webhooks) -> None:
    strange = scene.completed(webhook_url=scene.receiver.url())
    scene.records.files.update_one({"_id": strange}, {"$set": {"outbox": [{"nothing": 1}]}})
    scene.completed(webhook_url=scene.receiver.url())
    async with scene.delivering():
        await eventually(lambda: len(scene.receiver.accepted()) == 1)
    assert scene.records.get(strange)["undelivered"] is True
