"""A record as its owner sees it: the contract's fields, and nothing that is ours alone."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from bson import ObjectId

from app.api.schemas import FileView
from app.api.views import file_view, json_response
from app.domain.status import Status

AT = datetime(2024, 1, 1, tzinfo=UTC)
RECORD: dict[str, Any] = {
    "_id": ObjectId("65f1c0ffee65f1c0ffee65f1"),
    "owner": "somebody",
    "name": "cv.pdf",
    "status": "processing",
    "result": None,
    "revision": 3,
    "created_at": AT,
    "updated_at": AT,
    "timeline": [{"status": "saving", "at": AT}],
    "lease": {"token": "secret", "host": "machine"},
    "blob": "where/it/lies",
    "idempotency_key": "hash",
    "request_id": "r",
    "progress": {"stage": "rendering", "pages_done": 1, "pages_total": 2},
    "attempts": [
        {"code": "rate_limited", "at": AT, "duration_s": 1.5, "model": "m", "retryable": True, "worker": "w"}
    ],
    "options": {"prompt": "p", "fresh": True},
}


def test_the_contracts_four_fields_come_first() -> None:
    assert list(file_view(RECORD))[:4] == ["_id", "name", "status", "result"]
    assert file_view(RECORD)["_id"] == "65f1c0ffee65f1c0ffee65f1"


def test_what_is_ours_alone_does_not_leave() -> None:
    text = json_response(file_view(RECORD)).body.decode()
    for hidden in ("somebody", "secret", "machine", "where/it/lies", "hash", '"w"', "fresh"):
        assert hidden not in text


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_shown_in_the_documented_shape(status: Status) -> None:
    body = orjson.loads(json_response(file_view(RECORD | {"status": str(status)})).body)
    FileView.model_validate(body)
    assert set(body) == {field.alias or name for name, field in FileView.model_fields.items()}


def test_a_finished_document_has_all_its_pages_done() -> None:
    view = file_view(RECORD | {"status": "api call done", "pages": 2})
    assert view["progress"]["pages_done"] == view["progress"]["pages_total"] == 2
