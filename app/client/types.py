"""What the server tells, as frozen objects. A field that an older server does not send is None."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

DONE: Final = "api call done"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
ENDED: Final = frozenset({DONE, FAILED, CANCELLED})


@dataclass(frozen=True)
class Failure:
    """Why a document failed. `retryable`: whether `retry` may help."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True)
class Progress:
    """`waiting_for`: worker | no worker is alive | provider | budget | same document | retry at <time>."""

    stage: str
    pages_done: int | None
    pages_total: int | None
    waiting_for: str | None
    position: int | None
    next_try_at: datetime | None


@dataclass(frozen=True)
class Document:
    """A document and how far it is. `raw` is the server's whole answer."""

    id: str
    name: str
    status: str
    result: str | None
    progress: Progress
    error: Failure | None
    pages: int | None
    data: Mapping[str, Any] | None
    usage: Mapping[str, Any] | None
    created_at: datetime | None
    updated_at: datetime | None
    ended_at: datetime | None
    revision: int | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def done(self) -> bool:
        return self.status == DONE


@dataclass(frozen=True)
class Change:
    """One event of a document's stream. `deleted`: it is gone, and the other fields say nothing."""

    id: str
    status: str
    progress: Progress
    error: Failure | None
    pages: int | None
    revision: int | None
    deleted: bool = False

    @property
    def ended(self) -> bool:
        return self.deleted or self.status in ENDED


@dataclass(frozen=True)
class Page:
    """A part of the list of documents; `next` is the address of the one after it, None at the end."""

    documents: tuple[Document, ...]
    next: str | None


def document(raw: Mapping[str, Any]) -> Document:
    """From the body of `GET /{id}`. Raises KeyError, TypeError or ValueError where it is none."""
    return Document(
        id=str(raw["_id"]),
        name=str(raw.get("name") or ""),
        status=str(raw["status"]),
        result=raw.get("result"),
        progress=_progress(raw.get("progress") or {}),
        error=_failure(raw.get("error")),
        pages=raw.get("pages"),
        data=raw.get("data"),
        usage=raw.get("usage"),
        created_at=_moment(raw.get("created_at")),
        updated_at=_moment(raw.get("updated_at")),
        ended_at=_moment(raw.get("ended_at")),
        revision=raw.get("revision"),
        raw=raw,
    )


def change(file_id: str, raw: Mapping[str, Any]) -> Change:
    """From the data of a `status` event."""
    return Change(
        id=file_id,
        status=str(raw["status"]),
        progress=_progress(raw.get("progress") or {}),
        error=_failure(raw.get("error")),
        pages=raw.get("pages"),
        revision=raw.get("revision"),
    )


def deleted(file_id: str) -> Change:
    return Change(file_id, "deleted", _progress({}), None, None, None, deleted=True)


def _progress(raw: Mapping[str, Any]) -> Progress:
    return Progress(
        stage=str(raw.get("stage") or ""),
        pages_done=raw.get("pages_done"),
        pages_total=raw.get("pages_total"),
        waiting_for=raw.get("waiting_for"),
        position=raw.get("position"),
        next_try_at=_moment(raw.get("next_try_at")),
    )


def _failure(raw: Mapping[str, Any] | None) -> Failure | None:
    if raw is None:
        return None
    return Failure(str(raw.get("code")), str(raw.get("message")), bool(raw.get("retryable")))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
