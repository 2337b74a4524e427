"""The message itself, by Standard Webhooks 1.0: a thin body and the headers that sign it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from standardwebhooks import Webhook

from app.db.client import Record
from app.domain.event import STATUS_OF, EventType
from app.domain.status import Status

USER_AGENT: Final = "full-rag-webhooks/1"
TEST_ID: Final = "0" * 24


def data_of(delivery: Record, name: str | None, public_url: str) -> dict[str, Any]:
    """What the event is about. Never content; a document that was deleted meanwhile has no name."""
    kind = delivery["event"]["type"]
    if kind == EventType.TEST:
        return _data(TEST_ID, str(Status.DONE), "test.pdf", f"{public_url}/{TEST_ID}")
    if kind == EventType.BATCH_COMPLETED:
        batch_id = str(delivery["batch_id"])
        return _data(batch_id, "completed", None, f"{public_url}/batches/{batch_id}")
    file_id = str(delivery["file_id"])
    url = f"{public_url}/{file_id}" if name is not None else None
    return _data(file_id, str(STATUS_OF[EventType(kind)]), name, url)


def _data(id_: str, status: str, name: str | None, result_url: str | None) -> dict[str, Any]:
    return {"id": id_, "status": status, "name": name, "result_url": result_url}


def body_of(event: Record, data: dict[str, Any]) -> bytes:
    """The bytes that are signed and sent."""
    at = event["at"].astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return orjson.dumps({"type": event["type"], "timestamp": at, "data": data})


def headers_of(event_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """One signature for each live secret, so that a receiver may hold the old or the new one."""
    at = now.astimezone(UTC)
    text = body.decode("utf-8")
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(event_id, at, text) for secret in secrets),
    }
