"""Whether, when and at what price an attempt is followed by another."""

from typing import Any

import pytest

from app.domain.errors import DomainError, PermanentFailure, TransientFailure
from app.queue.retry_policy import (
    LONGEST_PAUSE_S,
    RETRY_AFTER_JITTER_S,
    Again,
    GiveUp,
    TooManyPaidCalls,
    decide,
)

MAX_ATTEMPTS = 5


def claimed(attempts_made: int = 1, codes: tuple[str | None, ...] = ()) -> dict[str, Any]:
    return {"attempts_made": attempts_made, "attempts": [{"code": code} for code in codes]}


def again(error: Exception, record: dict[str, Any] | None = None, chance: float = 0.5) -> Again:
    decision = decide(error, record or claimed(), MAX_ATTEMPTS, lambda: chance)
    assert isinstance(decision, Again)
    return decision


def test_a_permanent_failure_gives_up_at_once() -> None:
    decision = decide(PermanentFailure("no", code="document_damaged"), claimed(), MAX_ATTEMPTS)
    assert isinstance(decision, GiveUp)
    assert decision.failure.code == "document_damaged"
    assert not decision.failure.retryable


def test_too_many_paid_calls_give_up_but_a_person_may_retry() -> None:
    decision = decide(TooManyPaidCalls(), claimed(), MAX_ATTEMPTS)
    assert isinstance(decision, GiveUp)
    assert decision.failure.retryable


def test_a_transient_failure_spends_an_attempt() -> None:
    assert again(TransientFailure("5xx")).spends_attempt


def test_the_last_attempt_ends_with_its_own_error() -> None:
    decision = decide(TransientFailure("x", code="model_timeout"), claimed(MAX_ATTEMPTS), MAX_ATTEMPTS)
    assert isinstance(decision, GiveUp)
    assert decision.failure.code == "model_timeout"
    assert decision.failure.retryable


def test_a_provider_that_asks_to_wait_spends_no_attempt_and_never_uses_them_up() -> None:
    busy = TransientFailure("429", costs_attempt=False, retry_after_s=7, waiting_for="provider")
    decision = again(busy, claimed(MAX_ATTEMPTS))
    assert not decision.spends_attempt
    assert decision.waiting_for == "provider"


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_retry_after_is_honoured_with_a_little_jitter_on_top(chance: float) -> None:
    busy = TransientFailure("429", costs_attempt=False, retry_after_s=7)
    assert 7 <= again(busy, chance=chance).delay_s <= 7 + RETRY_AFTER_JITTER_S


def test_the_same_failure_in_a_row_waits_longer_each_time_up_to_a_bound() -> None:
    error = TransientFailure("x", code="model_error")
    pauses = [again(error, claimed(1, ("model_error",) * row)).delay_s for row in range(12)]
    assert pauses[:5] == sorted(set(pauses[:5]))
    assert max(pauses) <= LONGEST_PAUSE_S


def test_another_failure_in_between_starts_the_pauses_anew() -> None:
    error = TransientFailure("x", code="model_error")
    interrupted = claimed(4, ("model_error", "model_error", "worker_died"))
    assert again(error, interrupted).delay_s == again(error, claimed(1)).delay_s


def test_jitter_spreads_pauses_but_never_to_nothing() -> None:
    error = TransientFailure("x")
    shortest, longest = (again(error, chance=chance).delay_s for chance in (0.0, 0.999))
    assert 0 < shortest < longest


def test_a_storage_that_is_away_is_no_fault_of_the_document() -> None:
    class Full(DomainError):
        code = "storage_full"
        retryable = True

    decision = again(Full(), claimed(MAX_ATTEMPTS))
    assert not decision.spends_attempt
    assert decision.waiting_for == "storage"


def test_an_unforeseen_error_spends_an_attempt_and_tells_the_client_nothing_of_itself() -> None:
    assert again(RuntimeError("secret text")).spends_attempt
    decision = decide(RuntimeError("secret text"), claimed(MAX_ATTEMPTS), MAX_ATTEMPTS)
    assert isinstance(decision, GiveUp)
    assert decision.failure.code == "internal_error"
    assert "secret" not in decision.failure.message
