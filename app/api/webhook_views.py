"""Bodies of the webhook routes: what may be asked, and an endpoint or a delivery as its owner sees it."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.db.client import Record
from app.db.transitions.notify import PENDING
from app.domain.webhook_url import MAX_URL

EXAMPLE_URL: Final = "https://hooks.example.com/full-rag"
EXAMPLE_ENDPOINT: Final = "we_0123456789abcdef01234567"
EXAMPLE_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 (an example)
Event = Literal["file.completed", "file.failed", "file.cancelled", "batch.completed"]
Outcome = Literal["delivered", "failed", "under way", "interrupted"]
ENDPOINT_FIELDS: Final = ("url", "events", "enabled", "disabled_reason", "created_at")
DELIVERY_FIELDS: Final = ("url", "endpoint", "state", "reason", "created_at", "ended_at")
ATTEMPT_FIELDS: Final = ("at", "status", "error", "duration_ms", "answer")


class NewEndpoint(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=MAX_URL, examples=[EXAMPLE_URL])
    events: list[Event] = Field(
        default=[], max_length=4, description="Which events; none named means all", examples=[["file.failed"]]
    )


class TestWish(BaseModel):
    """Either of the two."""

    model_config = ConfigDict(extra="forbid")

    endpoint: str | None = Field(default=None, max_length=64, examples=[EXAMPLE_ENDPOINT])
    url: str | None = Field(default=None, max_length=MAX_URL, description="Signed as for uploads")


class EndpointView(BaseModel):
    id: str = Field(examples=[EXAMPLE_ENDPOINT])
    url: str = Field(examples=[EXAMPLE_URL])
    events: list[Event] = Field(description="Empty: all")
    enabled: bool
    disabled_reason: str | None = Field(description="`gone`: it answered 410")
    created_at: datetime


class EndpointList(BaseModel):
    endpoints: list[EndpointView]


class SecretView(BaseModel):
    secret: str = Field(examples=[EXAMPLE_SECRET])
    previous_until: datetime | None = Field(description="Until then the secret before it signs as well")


class EndpointWithSecret(EndpointView, SecretView):
    """An endpoint that was just made or rotated."""


class AttemptView(BaseModel):
    at: datetime
    outcome: Outcome = Field(
        description="`interrupted`: our process died in the middle, which counts for nothing"
    )
    status: int | None = Field(description="What the receiver answered")
    error: str | None = Field(description="Why there was no answer: timeout, tls_failed, address_refused, …")
    duration_ms: int | None
    answer: str | None = Field(description="Its first 200 characters")


class DeliveryView(BaseModel):
    id: str
    webhook_id: str = Field(description="The event's; the header `webhook-id` of every attempt")
    type: str
    url: str
    endpoint: str = Field(description="An endpoint's id, or `upload` for a `webhook_url`")
    state: Literal["pending", "delivered", "failed"]
    reason: str | None = Field(description="attempts_used_up, gone, endpoint_removed, endpoint_disabled")
    created_at: datetime
    next_at: datetime | None = Field(description="When it is tried next")
    ended_at: datetime | None
    attempts: list[AttemptView]


class NumberedDelivery(DeliveryView):
    n: int = Field(description="Its number, for /{file_id}/deliveries/{n}/redeliver")


class DeliveryList(BaseModel):
    deliveries: list[NumberedDelivery]


def endpoint_view(endpoint: Record) -> dict[str, Any]:
    return {"id": endpoint["_id"], **{name: endpoint.get(name) for name in ENDPOINT_FIELDS}}


def secret_view(endpoint: Record) -> dict[str, Any]:
    """The current secret, and until when the one before it counts."""
    current, *previous = endpoint["secrets"]
    return {"secret": current["key"], "previous_until": previous[0]["until"] if previous else None}


def delivery_view(delivery: Record) -> dict[str, Any]:
    event = delivery["event"]
    pending = delivery["state"] == PENDING
    return {
        "id": delivery["_id"],
        "webhook_id": event["id"],
        "type": event["type"],
        **{name: delivery.get(name) for name in DELIVERY_FIELDS},
        "next_at": delivery["next_at"] if pending else None,
        "attempts": [_attempt_view(one, delivery) for one in delivery["attempts"]],
    }


def _attempt_view(attempt: Record, delivery: Record) -> dict[str, Any]:
    seen = {name: attempt.get(name) for name in ATTEMPT_FIELDS}
    return {"at": seen.pop("at"), "outcome": _outcome(attempt, delivery), **seen}


def _outcome(attempt: Record, delivery: Record) -> Outcome:
    if "status" in attempt:
        delivered = HTTPStatus.OK <= attempt["status"] < HTTPStatus.MULTIPLE_CHOICES
        return "delivered" if delivered else "failed"
    if "error" in attempt:
        return "failed"
    return "under way" if attempt["token"] == delivery.get("token") else "interrupted"
