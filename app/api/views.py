"""A record as its owner sees it. Only what is named here leaves; the contract's four fields come first."""

from typing import Any, Final

import orjson
from starlette.responses import Response

from app.db.client import Record
from app.domain.status import Status

FIELDS: Final = (
    "created_at",
    "updated_at",
    "ended_at",
    "revision",
    "size",
    "sha256",
    "content_type",
    "pages",
    "error",
    "usage",
    "data",
)
LIGHT: Final = ("created_at", "updated_at", "ended_at", "revision", "size", "content_type", "pages", "error")
ATTEMPT: Final = ("code", "at", "duration_s", "model", "retryable")
STAGE_OF: Final = {
    Status.SAVING: "receiving",
    Status.QUEUED: "waiting",
    Status.PROCESSING: "converting",
    Status.CONVERTED: "analysing",
    Status.DONE: "done",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}
NOT_WAITING: Final = dict.fromkeys(("waiting_for", "position", "next_try_at", "no_worker_alive"))


def file_view(record: Record, waiting: dict[str, Any] | None = None) -> dict[str, Any]:
    """`waiting` comes from `waiting_fields` for a queued record."""
    return {
        "_id": str(record["_id"]),
        "name": record.get("name", ""),
        "status": record["status"],
        "result": record.get("result"),
        **{name: record.get(name) for name in FIELDS},
        "metadata": record.get("metadata") or {},
        "batch_id": record.get("batch_id"),
        "options": {"prompt": record.get("options", {}).get("prompt")},
        "progress": _progress(record) | (waiting or NOT_WAITING),
        "attempts": [{name: one.get(name) for name in ATTEMPT} for one in record.get("attempts", [])],
        "timeline": record.get("timeline", []),
    }


def light_view(record: Record) -> dict[str, Any]:
    """As it stands in a list: without what may be long, and without its place in the queue."""
    return {
        "_id": str(record["_id"]),
        "name": record.get("name", ""),
        "status": record["status"],
        **{name: record.get(name) for name in LIGHT},
        "metadata": record.get("metadata") or {},
        "batch_id": record.get("batch_id"),
        "progress": _progress(record),
    }


def _progress(record: Record) -> dict[str, Any]:
    status = Status(record["status"])
    noted: dict[str, Any] = record.get("progress") or {}
    in_work = status in (Status.PROCESSING, Status.CONVERTED)
    return {
        "stage": noted.get("stage") if in_work and noted.get("stage") else STAGE_OF[status],
        "pages_done": record.get("pages") if status is Status.DONE else noted.get("pages_done", 0),
        "pages_total": noted.get("pages_total") or record.get("pages"),
    }


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """By orjson; a document's answer is nobody else's to keep."""
    return Response(
        orjson.dumps(content, option=orjson.OPT_UTC_Z),
        status,
        headers={"cache-control": "no-store"} | (headers or {}),
        media_type="application/json",
    )
