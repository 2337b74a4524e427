"""Every route of the OpenAPI document × two owners × scopes: another's document is nobody's.

A new route fails the first test until it has a line in `TABLE`.
"""

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pymongo
import pytest
from bson import ObjectId

from app.config import ApiSettings
from app.db.collections.keys import Keys
from app.db.db import BATCHES, BUDGETS, DELIVERIES, ENDPOINTS, FILES, INDEXES, KEYS
from app.domain.file import page_key
from app.domain.keys import NewKey, Scope
from app.server import create_app
from tests.support.api import PDF, RunningApi, running_api, settings_for
from tests.support.callers import KeyMaker, as_caller, code_of
from tests.support.servers import drop_test_database

METHODS = ("get", "put", "post", "patch", "delete", "head", "options", "trace")
NAME = "of-ann-alone.pdf"
URL = "https://hooks.example.com/of-ann-alone"
VOLATILE = ("rung_at", "rung_epoch", "updated_at", "last_used_at")
"""What our own processes write by themselves."""
NUMBERS = itertools.count(1)
NO_VALKEY = "redis://127.0.0.1:9"
OWNED = (FILES, ENDPOINTS, DELIVERIES, BATCHES)


@dataclass(frozen=True)
class Case:
    """`needs` is the scope, None for a public route; `of_one` names one thing of one owner in its path."""

    needs: Scope | None
    of_one: bool = False
    send: dict[str, Any] = field(default_factory=dict)


A_FILE = {"files": {"file": ("bobs.pdf", PDF, "application/pdf")}}
READ, WRITE, ADMIN = Scope.READ, Scope.WRITE, Scope.ADMIN
TABLE: dict[tuple[str, str], Case] = {
    ("GET", "/"): Case(None),
    ("GET", "/health/live"): Case(None),
    ("GET", "/health/ready"): Case(None),
    ("GET", "/metrics"): Case(None),
    ("POST", "/upload"): Case(WRITE, send=A_FILE),
    ("GET", "/{file_id}"): Case(READ, of_one=True),
    ("DELETE", "/{file_id}"): Case(WRITE, of_one=True),
    ("GET", "/batches/{batch_id}"): Case(READ, of_one=True),
    ("POST", "/batches/{batch_id}/retry"): Case(WRITE, of_one=True),
    ("POST", "/batches/{batch_id}/cancel"): Case(WRITE, of_one=True),
    ("GET", "/files"): Case(READ),
    ("GET", "/{file_id}/file"): Case(READ, of_one=True),
    ("GET", "/{file_id}/pages/{n}"): Case(READ, of_one=True),
    ("GET", "/{file_id}/result"): Case(READ, of_one=True),
    ("GET", "/{file_id}/events"): Case(READ, of_one=True),
    ("POST", "/{file_id}/retry"): Case(WRITE, of_one=True),
    ("POST", "/{file_id}/cancel"): Case(WRITE, of_one=True),
    ("GET", "/{file_id}/deliveries"): Case(READ, of_one=True),
    ("POST", "/{file_id}/deliveries/{n}/redeliver"): Case(WRITE, of_one=True),
    ("GET", "/webhooks"): Case(READ),
    ("POST", "/webhooks"): Case(ADMIN, send={"json": {"url": "https://hooks.example.com/of-bob"}}),
    ("GET", "/webhooks/{endpoint_id}"): Case(READ, of_one=True),
    ("DELETE", "/webhooks/{endpoint_id}"): Case(ADMIN, of_one=True),
    ("POST", "/webhooks/{endpoint_id}/enable"): Case(ADMIN, of_one=True),
    ("POST", "/webhooks/{endpoint_id}/rotate"): Case(ADMIN, of_one=True),
    ("GET", "/webhook-secret"): Case(WRITE),
    ("POST", "/webhook-secret/rotate"): Case(ADMIN),
    ("POST", "/webhooks/test"): Case(WRITE, send={"json": {"endpoint": "{endpoint_id}"}}, of_one=True),
    ("GET", "/webhooks/deliveries/{delivery_id}"): Case(READ, of_one=True),
}
CASES = pytest.mark.parametrize(("method", "path"), sorted(TABLE, key=lambda one: (one[1], one[0])))


class Scene:
    """Ann has one of everything; Bob has nothing; both have a key of each scope."""

    def __init__(self, api: RunningApi, keys: KeyMaker) -> None:
        self._api = api
        self.owners = {name: f"{name}-{next(NUMBERS)}" for name in ("ann", "bob")}
        self._callers = {
            (name, scope): as_caller(api, key) for (name, scope), key in keys.do(self._keys).items()
        }
        self._database = pymongo.MongoClient[dict[str, Any]](keys.mongo_url)[keys.mongo_db]
        ann = self._callers["ann", ADMIN].client
        file_id = self._callers["ann", WRITE].upload(name=NAME).json()["file_id"]
        api.services.storage.put(page_key(ObjectId(file_id), 1), b"of ann")
        endpoint = ann.post("/webhooks", json={"url": URL}).json()
        delivery = ann.post("/webhooks/test", json={"url": URL}).json()
        self._database[DELIVERIES].update_one(
            {"_id": delivery["id"]}, {"$set": {"file_id": ObjectId(file_id)}}
        )
        several = {"files": [("file", (f"{n}-{NAME}", PDF)) for n in range(2)]}
        batch = self._callers["ann", WRITE].client.post("/upload", **several).json()
        secret = ann.get("/webhook-secret").json()["secret"]
        self.ids = {
            "file_id": file_id,
            "batch_id": batch["batch_id"],
            "endpoint_id": endpoint["id"],
            "delivery_id": delivery["id"],
            "n": "1",
        }
        self.marks = [NAME, URL, endpoint["secret"], secret]

    async def _keys(self, keys: Keys) -> dict[tuple[str, Scope], NewKey]:
        return {
            (name, scope): await keys.create(name, owner, scope)
            for name, owner in self.owners.items()
            for scope in Scope
        }

    def ask(self, owner: str | None, scope: Scope, method: str, path: str) -> httpx.Response:
        """The route with Ann's things in its path and body."""
        client = self._callers[owner, scope].client if owner else self._api.client
        send = dict(TABLE[method, path].send)
        if "json" in send:
            send["json"] = {name: value.format_map(self.ids) for name, value in send["json"].items()}
        request = client.build_request(method, path.format_map(self.ids), **send)
        answer = client.send(request, stream=True)
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.close()  # it would go on for as long as the document is not finished
        else:
            answer.read()
        return answer

    def of_ann(self) -> list[dict[str, Any]]:
        """All that is stored of hers."""
        found = [one for name in OWNED for one in self._database[name].find({"owner": self.owners["ann"]})]
        return sorted(({k: v for k, v in one.items() if k not in VOLATILE} for one in found), key=repr)

    def close(self) -> None:
        self._database.client.close()
        for caller in self._callers.values():
            caller.client.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mongo_url: str) -> Iterator[tuple[RunningApi, KeyMaker]]:
    """One API for all: each test has owners of its own."""
    name, folder = f"test_{secrets.token_hex(6)}", tmp_path_factory.mktemp("owners")
    settings = settings_for(folder, mongo_url, name, NO_VALKEY, auth="required", reconcile_every_s=60)
    with running_api(settings) as api:
        yield api, KeyMaker(mongo_url, name)
    drop_test_database(mongo_url, name)


@pytest.fixture
def scene(place: tuple[RunningApi, KeyMaker]) -> Iterator[Scene]:
    one = Scene(*place)
    yield one
    one.close()


def test_every_route_of_the_openapi_document_is_in_the_table() -> None:
    document = create_app(ApiSettings()).openapi()
    routes = {(m.upper(), path) for path, item in document["paths"].items() for m in item if m in METHODS}
    assert routes == set(TABLE), (
        "a new route: say in TABLE which scope it needs and whether it names one thing"
    )


def test_every_collection_is_looked_at() -> None:
    assert set(INDEXES) - {BUDGETS, KEYS} <= set(OWNED)


@CASES
def test_another_owner_s_things_are_nobody_s(scene: Scene, method: str, path: str) -> None:
    before, case = scene.of_ann(), TABLE[method, path]
    answer = scene.ask("bob", ADMIN, method, path)
    if case.of_one:
        assert (answer.status_code, code_of(answer)) == (404, "not_found")
    else:
        assert answer.status_code < 300
        assert not [value for value in scene.ids.values() if len(value) > 8 and value in answer.text]
    assert not [mark for mark in scene.marks if mark in answer.text]
    assert scene.of_ann() == before


@CASES
def test_a_key_of_the_needed_scope_is_enough_and_one_below_it_is_not(
    scene: Scene, method: str, path: str
) -> None:
    needs = TABLE[method, path].needs
    if needs is None:
        assert scene.ask(None, READ, method, path).status_code == 200
        return
    before = scene.of_ann()
    nobody = scene.ask(None, READ, method, path)
    assert (nobody.status_code, code_of(nobody)) == (401, "key_missing")
    for below in (scope for scope in Scope if not scope.allows(needs)):
        refused = scene.ask("ann", below, method, path)
        assert (refused.status_code, code_of(refused)) == (403, "scope_missing")
    assert scene.of_ann() == before
    assert scene.ask("ann", needs, method, path).status_code not in (401, 403, 404)
