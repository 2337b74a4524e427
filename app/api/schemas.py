"""The shapes of bodies, for the OpenAPI document; answers themselves are built in `views`."""

from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from app.api.problems import MEDIA_TYPE
from app.domain.status import Status

USUAL: Final = {404: "not_found", 503: "unavailable"}
"""The code of a status where a route names none."""
EXAMPLE_ID: Final = "65f1c0ffee65f1c0ffee65f1"


class Problem(BaseModel):
    """RFC 9457, with our `code`, `retryable` and `request_id`."""

    type: str = Field(examples=["urn:full-rag:problem:file_too_large"])
    title: str = Field(examples=["Request Entity Too Large"])
    status: int = Field(examples=[413])
    detail: str = Field(description="For people: names the field or the setting and the fix")
    code: str = Field(description="For programs: one code, one advice", examples=["file_too_large"])
    retryable: bool = Field(description="Whether the same request may succeed later")
    request_id: str


class UploadAnswer(BaseModel):
    """For one file."""

    file_id: str = Field(examples=[EXAMPLE_ID], pattern="^[0-9a-f]{24}$")


class Refused(BaseModel):
    """A file of a batch that was not taken; nothing of it was kept."""

    name: str = Field(examples=["photo.png"])
    code: str = Field(examples=["unsupported_type"])
    message: str


class BatchAnswer(BaseModel):
    """For several files in one request."""

    batch_id: str = Field(examples=[EXAMPLE_ID])
    file_ids: list[str] = Field(description="Of the accepted files, in their order", examples=[[EXAMPLE_ID]])
    refused: list[Refused]


class BatchView(BaseModel):
    """The files of one request."""

    batch_id: str = Field(examples=[EXAMPLE_ID])
    status: str = Field(
        description="`receiving` while its request goes on, `running` until all have ended, then `complete`",
        examples=["running"],
    )
    created_at: datetime
    total: int | None = Field(description="Accepted documents; null while it is being received")
    ended: int = Field(description="How many have ended, however")
    deleted: int = Field(description="How many are not there any more")
    counts: dict[str, int] = Field(
        description="How many documents have which status", examples=[{"queued": 5, "api call done": 295}]
    )
    refused: list[Refused]
    file_ids: list[str] | None = Field(description="In the order of the upload; null while it is received")


class BatchRetried(BatchView):
    retried: int = Field(description="How many were queued again")
    not_retried: int = Field(description="Failed ones that MAX_IN_FLIGHT left no room for; ask again later")


class Health(BaseModel):
    status: str = Field(examples=["healthy"])


class Failure(BaseModel):
    """Why a document failed."""

    code: str = Field(examples=["page_unreadable"])
    message: str = Field(description="For people: what happened and what helps")
    retryable: bool = Field(description="Whether the same document may succeed later")


class Progress(BaseModel):
    stage: str = Field(description="receiving, waiting, converting, analysing, done, failed, cancelled, …")
    pages_done: int | None
    pages_total: int | None
    waiting_for: str | None = Field(
        description="worker | no worker is alive | provider | budget | same document | retry at <time>"
    )
    position: int | None = Field(description="Place in the queue; 1 is next")
    next_try_at: datetime | None
    no_worker_alive: bool | None = Field(description="null where it does not matter or cannot be told")


class Moment(BaseModel):
    status: Status
    at: datetime


class Attempt(BaseModel):
    code: str | None
    at: datetime | None
    duration_s: float | None
    model: str | None
    retryable: bool | None


class Options(BaseModel):
    prompt: str | None


class ProgressOfList(BaseModel):
    stage: str
    pages_done: int | None
    pages_total: int | None


class LightView(BaseModel):
    """A document in a list: without its result."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(alias="_id", examples=[EXAMPLE_ID])
    name: str = Field(examples=["resume.pdf"])
    status: Status
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    revision: int
    size: int | None = Field(description="Bytes of the uploaded file")
    content_type: str | None
    pages: int | None
    error: Failure | None
    metadata: dict[str, str]
    batch_id: str | None
    progress: ProgressOfList


class FileList(BaseModel):
    files: list[LightView]
    next_cursor: str | None = Field(description="For the next page; null on the last")


class FileView(BaseModel):
    """A document and how far it is."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(alias="_id", examples=[EXAMPLE_ID])
    name: str
    status: Status
    result: str | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    revision: int
    size: int | None
    sha256: str | None
    content_type: str | None
    pages: int | None
    error: Failure | None
    usage: dict[str, Any] | None
    data: dict[str, Any] | None
    metadata: dict[str, str] = Field(description="Your own marks, as they came with the upload")
    batch_id: str | None = Field(description="The batch it came with, if it did")
    options: Options
    progress: Progress
    attempts: list[Attempt]
    timeline: list[Moment]


class ResultView(BaseModel):
    """A document's result as JSON."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(alias="_id", examples=[EXAMPLE_ID])
    name: str = Field(examples=["resume.pdf"])
    result: str | None = Field(description="For a person to read")
    data: dict[str, Any] | None = Field(description="For a program, where a structured form was asked for")
    usage: dict[str, Any] | None = Field(description="Tokens, model, and whether it came from the cache")


class Check(BaseModel):
    ok: bool
    fatal: bool
    detail: str | None = None


class Readiness(BaseModel):
    status: str = Field(examples=["ready", "not ready"])
    checks: dict[str, Check]


def problems(*statuses: int, **described: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: its problems by status, `s413="file_too_large"` naming the codes."""
    named = {status: USUAL.get(status, "") for status in statuses}
    named |= {int(name[1:]): text for name, text in described.items()}
    return {
        status: {
            "description": text or "See `code`",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, text in sorted(named.items())
    }
