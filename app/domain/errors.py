"""Failures as data: a code, a message a client may read, whether trying again can help.

The message names the field or the setting and the fix. Internal text never goes into it: that is
the exception's `__cause__`, which only the log sees.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Failure:
    """What a record stores under `error` and a client reads."""

    code: str
    message: str
    retryable: bool

    def as_record(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "retryable": self.retryable}


class DomainError(Exception):
    """A failure with a code. `retryable` is the advice: may the same request succeed later?"""

    code = "internal_error"
    retryable = False
    default_message = "Something went wrong on our side. Try again; if it stays, tell us the request id."

    def __init__(self, message: str | None = None, *, code: str | None = None) -> None:
        self.message = message or self.default_message
        if code is not None:
            self.code = code
        super().__init__(self.message)

    def failure(self) -> Failure:
        return Failure(self.code, self.message, self.retryable)


class NotFound(DomainError):
    code = "not_found"
    default_message = "There is no such document. Check the id: it is the file_id that the upload answered."


class Unavailable(DomainError):
    """A part of ours is away (MongoDB, storage): nothing was accepted, try again."""

    code = "unavailable"
    retryable = True
    default_message = (
        "The database cannot be reached right now. Nothing was stored; try again in a few seconds."
    )


class Conflict(DomainError):
    code = "conflict"


class PermanentFailure(DomainError):
    """The document or the configuration is at fault: the same try gives the same end."""

    code = "processing_failed"


class TransientFailure(DomainError):
    """Worth another try. `costs_attempt` is false where the provider merely asked us to wait."""

    code = "model_unavailable"
    retryable = True

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        costs_attempt: bool = True,
        retry_after_s: float | None = None,
        waiting_for: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.costs_attempt = costs_attempt
        self.retry_after_s = retry_after_s
        self.waiting_for = waiting_for


class LostClaim(Exception):
    """The record is no longer this worker's: another token, cancelled, or deleted. Stop, write nothing."""


class HandBack(Exception):
    """This process was told to stop: give the document back to the queue, no attempt spent."""


@dataclass(frozen=True)
class Rejected:
    """Why an upload part was refused; nothing of it was kept."""

    failure: Failure
    details: dict[str, Any] = field(default_factory=dict)
