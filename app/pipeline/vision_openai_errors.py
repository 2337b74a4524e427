"""The one table from what a provider answers to what it means for the document.

The provider's own words are never passed on (they may quote the document or the key): each kind has a
code and a sentence of ours that names the setting and the fix.
"""

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
import openai

from app.domain.errors import DomainError, PermanentFailure, TransientFailure

MAX_RETRY_AFTER_S: Final = 3600.0
QUOTA_CODES: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
REFUSAL_CODES: Final = frozenset({"content_filter", "content_policy_violation"})

KEY_REFUSED: Final = (
    "The model's provider refused the key. Check OPENAI_API_KEY (and its access to OPENAI_MODEL)."
)
URL_INVALID: Final = (
    "OPENAI_BASE_URL is not an address that can be called. Write it as in https://api.openai.com/v1."
)
MODEL_NOT_FOUND: Final = (
    "The model's provider does not know this model or address. Check OPENAI_MODEL and OPENAI_BASE_URL; "
    "a server that only knows Chat Completions needs OPENAI_API=chat."
)
REJECTED: Final = (
    "The model's provider rejected the request. Check that OPENAI_MODEL reads images; where the request is "
    "too large for the model, lower PAGES_PER_CALL or PAGE_BOX."
)
QUOTA: Final = "The account of OPENAI_API_KEY has no credit left. Top it up at the provider, then retry."
REFUSED: Final = "The provider's content filter refused this document or its prompt."


def as_failure(error: openai.OpenAIError) -> DomainError:
    """What this failed call means: permanent or transient, with or without the cost of an attempt."""
    if isinstance(error, openai.APIStatusError):
        return _of_status(error)
    if isinstance(error, openai.APIConnectionError):
        return _of_connection(error)
    return TransientFailure("The model call failed; we try again.", code="model_error")


def _of_status(error: openai.APIStatusError) -> DomainError:
    status = error.status_code
    if status in (401, 403):
        return PermanentFailure(KEY_REFUSED, code="model_key_refused")
    if status == 402 or (status == 429 and {error.code, error.type} & QUOTA_CODES):
        return PermanentFailure(QUOTA, code="model_quota_exceeded")
    if status in (404, 405):
        return PermanentFailure(MODEL_NOT_FOUND, code="model_not_found")
    if status == 429 and "request too large" in error.message.lower():
        # More tokens in one call than the account may use in a minute: no waiting helps.
        return PermanentFailure(REJECTED, code="model_rejected_request")
    if status in (429, 503):
        return _told_to_wait(status, error.response.headers)
    if status == 408:
        return _timeout()
    if status >= 500 or status in (409, 425):
        return TransientFailure("The model's provider failed; we try again.", code="model_error")
    if error.code in REFUSAL_CODES:
        return PermanentFailure(REFUSED, code="content_refused")
    return PermanentFailure(REJECTED, code="model_rejected_request")


def _told_to_wait(status: int, headers: Mapping[str, str]) -> TransientFailure:
    limited = status == 429
    return TransientFailure(
        "The model's provider asks us to wait."
        if limited
        else "The model's provider is busy; we wait for it.",
        code="model_rate_limited" if limited else "model_unavailable",
        costs_attempt=False,
        retry_after_s=retry_after_s(headers),
        waiting_for="provider",
    )


def _of_connection(error: openai.APIConnectionError) -> DomainError:
    cause = error.__cause__
    if isinstance(cause, (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)):
        return PermanentFailure(URL_INVALID, code="model_url_invalid")
    if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)):
        # Nothing was sent, so nothing can have been paid.
        return TransientFailure(
            "The model's server cannot be reached; we keep trying. If it stays so, check OPENAI_BASE_URL and "
            "the network.",
            code="model_unavailable",
            costs_attempt=False,
            waiting_for="provider",
        )
    if isinstance(error, openai.APITimeoutError):
        return _timeout()
    return TransientFailure("The connection to the model broke; we try again.", code="model_connection_lost")


def _timeout() -> TransientFailure:
    return TransientFailure(
        "The model did not answer in time; we try again. If it stays so, raise OPENAI_TIMEOUT_S or lower "
        "PAGES_PER_CALL.",
        code="model_timeout",
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the provider asks, between 0 and an hour; None where it does not say (clearly)."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return _bounded(seconds)
    try:
        return _bounded(parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return None if number is None or math.isnan(number) else number


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
