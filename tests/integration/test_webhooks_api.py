"""Webhooks as an owner meets them over HTTP: set up, test, see what was sent, send it again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.db.collections.endpoints import MAX_ENDPOINTS
from tests.support.api import RunningApi, running_api, settings_for
from tests.support.receiver import BROKEN, GONE, OK, Receiver
from tests.support.records import Records
from tests.support.webhooks import Webhooks, eventually

pytestmark = pytest.mark.anyio
UNKNOWN = "we_" + "0" * 24


@dataclass
class Scene:
    api: RunningApi
    hooks: Webhooks

    @property
    def receiver(self) -> Receiver:
        return self.hooks.receiver

    def ended(self, **fields: str) -> str:
        """A document that was uploaded and cancelled."""
        answer = self.api.upload(data=fields)
        assert answer.status_code == 202, answer.text
        file_id = str(answer.json()["file_id"])
        assert self.api.client.post(f"/{file_id}/cancel").status_code == 200
        return file_id

    def deliveries(self, file_id: str) -> list[dict[str, object]]:
        answer = self.api.client.get(f"/{file_id}/deliveries")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, object]] = answer.json()["deliveries"]
        return found


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def scene(mongo_url: str, mongo_db: str, valkey_url: str, tmp_path: Path) -> Iterator[Scene]:
    with Receiver().running() as receiver, Records(mongo_url, mongo_db) as records:
        settings = settings_for(tmp_path, mongo_url, mongo_db, valkey_url, webhook_allow=receiver.allow)
        with running_api(settings) as api:
            yield Scene(api, Webhooks(mongo_url, mongo_db, records, receiver))


async def test_an_upload_s_own_url_is_told_and_the_secret_that_the_api_shows_verifies(scene: Scene) -> None:
    secret = scene.api.client.get("/webhook-secret").json()
    assert secret["previous_until"] is None
    file_id = scene.ended(webhook_url=scene.receiver.url())
    async with scene.hooks.delivering():
        await eventually(scene.hooks.settled)
    (told,) = scene.receiver.received
    assert told.event["type"] == "file.cancelled"
    assert told.event["data"]["id"] == file_id
    assert told.verified_by(secret["secret"])
    (delivery,) = scene.deliveries(file_id)
    assert (delivery["n"], delivery["state"], delivery["endpoint"]) == (1, "delivered", "upload")
    assert delivery["webhook_id"] == told.id
    assert delivery["url"] == scene.receiver.url()
    (attempt,) = delivery["attempts"]
    assert (attempt["outcome"], attempt["status"], attempt["answer"]) == ("delivered", 200, "thanks")


async def test_an_endpoint_lives_is_rotated_and_ends(scene: Scene) -> None:
    client = scene.api.client
    answer = client.post("/webhooks", json={"url": scene.receiver.url(), "events": ["file.cancelled"]})
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/webhooks/{made['id']}")
    assert made["secret"].startswith("whsec_")
    rotated = client.post(f"/webhooks/{made['id']}/rotate").json()
    assert rotated["secret"] != made["secret"]
    assert rotated["previous_until"]
    (listed,) = client.get("/webhooks").json()["endpoints"]
    assert "secret" not in listed
    assert listed == client.get(f"/webhooks/{made['id']}").json()
    scene.ended()
    async with scene.hooks.delivering():
        await eventually(scene.hooks.settled)
        assert client.delete(f"/webhooks/{made['id']}").status_code == 204
        scene.ended()
        await eventually(scene.hooks.settled)
    (told,) = scene.receiver.received
    assert told.verified_by(made["secret"])
    assert told.verified_by(rotated["secret"])
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/enable")):
        assert client.request(method, f"/webhooks/{made['id']}{path}").json()["code"] == "not_found"


async def test_a_disabled_endpoint_can_be_enabled_and_its_event_sent_again(scene: Scene) -> None:
    client = scene.api.client
    made = client.post("/webhooks", json={"url": scene.receiver.url()}).json()
    scene.receiver.answer = lambda path, times: GONE
    file_id = scene.ended()
    async with scene.hooks.delivering():
        await eventually(scene.hooks.settled)
        assert client.get(f"/webhooks/{made['id']}").json()["disabled_reason"] == "gone"
        scene.receiver.answer = lambda path, times: OK
        assert client.post(f"/webhooks/{made['id']}/enable").json()["enabled"] is True
        again = client.post(f"/{file_id}/deliveries/1/redeliver")
        assert (again.status_code, again.json()["state"]) == (202, "pending")
        await eventually(scene.hooks.settled)
    (delivery,) = scene.deliveries(file_id)
    assert delivery["state"] == "delivered"
    assert [one["outcome"] for one in delivery["attempts"]] == ["failed", "delivered"]
    assert len({one.id for one in scene.receiver.received}) == 1


async def test_a_test_event_is_sent_once_and_its_fate_can_be_read(scene: Scene) -> None:
    client = scene.api.client
    made = client.post("/webhooks", json={"url": scene.receiver.url("/endpoint")}).json()
    scene.receiver.answer = lambda path, times: BROKEN if path == "/url" else OK
    sent = [
        client.post("/webhooks/test", json=wish)
        for wish in ({"endpoint": made["id"]}, {"url": scene.receiver.url("/url")})
    ]
    assert [answer.status_code for answer in sent] == [202, 202]
    async with scene.hooks.delivering():
        await eventually(scene.hooks.settled)
    fates = [client.get(answer.headers["location"]).json() for answer in sent]
    assert [(one["state"], one["reason"]) for one in fates] == [
        ("delivered", None),
        ("failed", "attempts_used_up"),
    ]
    assert fates[1]["attempts"][0]["answer"].startswith("broken")
    assert {one.event["type"] for one in scene.receiver.received} == {"webhook.test"}
    assert scene.receiver.at("/endpoint")[0].verified_by(made["secret"])


@pytest.mark.parametrize("url", ["http://hooks.example/", "https://10.0.0.1/", "https://user@hooks.example/"])
def test_a_url_that_can_never_be_called_is_refused_wherever_it_is_given(scene: Scene, url: str) -> None:
    client = scene.api.client
    answers = [
        scene.api.upload(data={"webhook_url": url}),
        client.post("/webhooks", json={"url": url}),
        client.post("/webhooks/test", json={"url": url}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (422, "invalid_webhook_url")
    ] * 3
    assert [answer.json()["detail"].partition(":")[0] for answer in answers] == ["webhook_url", "url", "url"]
    assert scene.hooks.records.files.count_documents({}) == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/webhooks", {}),
        ("/webhooks", {"url": "https://hooks.example/", "events": ["file.eaten"]}),
        ("/webhooks", {"url": "https://hooks.example/", "secret": "mine"}),
        ("/webhooks", {"url": 5}),
        ("/webhooks/test", {}),
        ("/webhooks/test", {"endpoint": UNKNOWN, "url": "https://hooks.example/"}),
        ("/webhooks/test", {"endpoint": [1]}),
    ],
)
def test_a_body_that_is_not_understood_is_refused(scene: Scene, path: str, body: object) -> None:
    answer = scene.api.client.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_what_is_not_there_is_not_found(scene: Scene) -> None:
    file_id = scene.ended()
    client = scene.api.client
    answers = [
        client.get(f"/webhooks/{UNKNOWN}"),
        client.post("/webhooks/test", json={"endpoint": UNKNOWN}),
        client.get("/webhooks/deliveries/msg_1.upload"),
        client.get(f"/{'0' * 24}/deliveries"),
        client.post(f"/{file_id}/deliveries/1/redeliver"),
        client.post(f"/{file_id}/deliveries/0/redeliver"),
    ]
    assert [answer.status_code for answer in answers] == [404] * len(answers)


def test_endpoints_are_not_endless(scene: Scene) -> None:
    client = scene.api.client
    for number in range(MAX_ENDPOINTS):
        assert client.post("/webhooks", json={"url": f"https://{number}.example.com/"}).status_code == 201
    refused = client.post("/webhooks", json={"url": "https://more.example.com/"})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_webhooks")
