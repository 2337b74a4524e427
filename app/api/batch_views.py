"""A batch as its owner sees it: as one record, as a table, as lines of JSON."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson

from app.db.client import Record
from app.domain.status import TERMINAL

REFUSED: Final = "refused"
COLUMNS: Final = (
    "file_id", "name", "status", "result", "error_code", "error_message", "pages", "model",
    "input_tokens", "output_tokens", "created_at", "ended_at", "metadata", "data",
)  # fmt: skip
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula at the beginning of a cell."""


def batch_view(batch: Record, counts: dict[str, int]) -> dict[str, Any]:
    """`counts` are of the documents that are still there."""
    there = sum(counts.values())
    total = batch.get("total")
    ended = sum(counts.get(str(status), 0) for status in TERMINAL)
    complete = total is not None and ended == there
    return {
        "batch_id": batch["_id"],
        "status": "receiving" if total is None else "complete" if complete else "running",
        "created_at": batch["created_at"],
        "total": total,
        "ended": ended,
        "deleted": max(0, total - there) if total is not None else 0,
        "counts": counts,
        "refused": batch.get(REFUSED, []),
        "file_ids": batch.get("file_ids"),
    }


async def as_jsonl(batch: Record, documents: AsyncIterator[Record]) -> AsyncIterator[bytes]:
    """One object a line: the documents in their order, then what was refused."""
    async for row in _rows(batch, documents):
        yield orjson.dumps(row, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


async def as_csv(batch: Record, documents: AsyncIterator[Record]) -> AsyncIterator[bytes]:
    """A table with a head, after RFC 4180. What could be a formula is not one any more."""
    yield _line(list(COLUMNS))
    async for row in _rows(batch, documents):
        yield _line([harmless(_text(row[name])) for name in COLUMNS])


def harmless(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would calculate."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


async def _rows(batch: Record, documents: AsyncIterator[Record]) -> AsyncIterator[dict[str, Any]]:
    async for record in documents:
        yield _row(record)
    for one in batch.get(REFUSED, []):
        nothing: dict[str, Any] = dict.fromkeys(COLUMNS)
        told = {"error_code": one["code"], "error_message": one["message"]}
        yield nothing | {"name": one["name"], "status": REFUSED} | told


def _row(record: Record) -> dict[str, Any]:
    error, usage = record.get("error") or {}, record.get("usage") or {}
    return {
        "file_id": str(record["_id"]),
        "name": record["name"],
        "status": record["status"],
        "result": record.get("result"),
        "error_code": error.get("code"),
        "error_message": error.get("message"),
        "pages": record.get("pages"),
        **{name: usage.get(name) for name in ("model", "input_tokens", "output_tokens")},
        "created_at": record["created_at"],
        "ended_at": record.get("ended_at"),
        "metadata": record.get("metadata") or {},
        "data": record.get("data"),
    }


def _text(value: Any) -> str:
    if value is None or value == {}:
        return ""
    if isinstance(value, str):
        return value
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode().strip('"')


def _line(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode("utf-8", "replace")
