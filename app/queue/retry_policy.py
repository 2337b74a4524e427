"""What follows from a failed attempt: the one place that decides whether, when and at what price."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.domain.errors import DomainError, Failure, PermanentFailure, TransientFailure

FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 60.0
RETRY_AFTER_JITTER_S: Final = 2.0
INTERNAL: Final = (
    "Something went wrong on our side while the document was processed. Retry it; the worker's log says more."
)

NOT_SENT: Final = "not_sent"
COST_NOTHING: Final = frozenset(
    {
        "model_key_refused",
        "model_quota_exceeded",
        "model_not_found",
        "model_rejected_request",
        "model_rate_limited",
        "model_unavailable",
        "model_url_invalid",
        NOT_SENT,
    }
)
"""Codes of calls that were certainly not billed: refused before the model saw a page, or never sent."""


class TooManyPaidCalls(PermanentFailure):
    """A person may retry it: that starts the count anew."""

    code = "too_many_paid_calls"
    retryable = True
    default_message = (
        "A part of the document was sent to the model three times without a saved answer, each of which may "
        "have been billed. Check the model's provider, then retry the document."
    )


@dataclass(frozen=True)
class Again:
    """Back to the queue."""

    delay_s: float
    spends_attempt: bool
    waiting_for: str | None


@dataclass(frozen=True)
class GiveUp:
    """The document ends `failed`."""

    failure: Failure


def decide(
    error: Exception,
    record: Mapping[str, Any],
    max_attempts: int,
    chance: Callable[[], float] = random.random,
) -> Again | GiveUp:
    """What to do with a claimed `record` whose attempt ended with `error`. `chance` is in [0, 1)."""
    failure = failure_of(error)
    if isinstance(error, PermanentFailure) or (isinstance(error, DomainError) and not error.retryable):
        return GiveUp(failure)
    spends = _costs_attempt(error)
    if spends and record["attempts_made"] >= max_attempts:
        return GiveUp(failure)
    return Again(_pause_s(error, failure.code, record, chance), spends, _waiting_for(error))


def failure_of(error: Exception) -> Failure:
    """What a client may read about it; of an error that nobody foresaw, only that it was ours."""
    if isinstance(error, DomainError):
        return error.failure()
    return Failure(DomainError.code, INTERNAL, retryable=True)


def _costs_attempt(error: Exception) -> bool:
    """A storage that is away is, like a provider that asks to wait, no fault of the document."""
    if isinstance(error, TransientFailure):
        return error.costs_attempt
    return not isinstance(error, DomainError)


def _waiting_for(error: Exception) -> str | None:
    if isinstance(error, TransientFailure):
        return error.waiting_for
    return "storage" if isinstance(error, DomainError) else None


def _pause_s(error: Exception, code: str, record: Mapping[str, Any], chance: Callable[[], float]) -> float:
    """As long as the provider asked for and a little more; else doubling with each same failure in a row."""
    asked = error.retry_after_s if isinstance(error, TransientFailure) else None
    if asked is not None:
        return float(asked + RETRY_AFTER_JITTER_S * chance())
    in_a_row = 0
    for attempt in reversed(record.get("attempts", [])):
        if attempt.get("code") != code:
            break
        in_a_row += 1
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(in_a_row, 10))
    return float(longest * (0.5 + chance() / 2))
