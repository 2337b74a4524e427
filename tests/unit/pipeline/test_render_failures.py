"""Each way to end has its code, its advice, and names the setting to raise."""

import signal

import pytest

from app.domain.errors import PermanentFailure, TransientFailure
from app.pipeline import render_failures as failures
from app.pipeline.render_wire import Cause, Request, Verdict

REQUEST = Request("pdfium", (1334, 1888), 300, 1, 1536, 120.0)


@pytest.mark.parametrize(
    ("cause", "code", "words"),
    [
        (Cause.ENCRYPTED, "document_encrypted", "without one"),
        (Cause.DAMAGED, "document_damaged", "save or print it as a new PDF"),
        (Cause.NO_PAGES, "document_damaged", "no pages"),
        (Cause.PAGE_DAMAGED, "document_damaged", "Page 17"),
        (Cause.OUT_OF_MEMORY, "document_too_complex", "RENDER_MEMORY_MB"),
        (Cause.TOO_MANY_FIELDS, "document_too_complex", "page 17 has too many form fields"),
        (Cause.TOOL_DIED, "document_too_complex", "RENDER_MEMORY_MB"),
        (99, "document_too_complex", "misbehave"),
    ],
)
def test_what_the_child_refuses_is_permanent(cause: int, code: str, words: str) -> None:
    failure = failures.refused(cause, 17, REQUEST)
    assert isinstance(failure, PermanentFailure)
    assert (failure.code, failure.retryable) == (code, False)
    assert words in failure.message


def test_too_many_pages_names_the_number_and_the_setting() -> None:
    failure = failures.refused(Cause.TOO_MANY_PAGES, 301, REQUEST)
    assert failure.code == "too_many_pages"
    assert "301" in failure.message
    assert "MAX_PAGES (300)" in failure.message


@pytest.mark.parametrize("cause", [Cause.NO_POPPLER, Cause.NO_SANDBOX])
def test_what_is_wrong_with_the_renderer_is_tried_again(cause: Cause) -> None:
    failure = failures.refused(cause, 0, REQUEST)
    assert isinstance(failure, TransientFailure)
    assert (failure.code, failure.costs_attempt) == ("renderer_unavailable", True)


@pytest.mark.parametrize(
    ("number", "setting", "words"),
    [
        (signal.SIGXCPU, "RENDER_TIMEOUT_S", "121 s of processor time"),
        (signal.SIGKILL, "RENDER_MEMORY_MB", "memory runs out"),
        (signal.SIGSEGV, "RENDER_MEMORY_MB", "SIGSEGV"),
        (signal.SIGABRT, "RENDER_MEMORY_MB", "1536 MB"),
        (250, "RENDER_MEMORY_MB", "signal 250"),
    ],
)
def test_death_by_signal_says_which_limit_was_hit(number: int, setting: str, words: str) -> None:
    failure = failures.ended(Verdict("signal", number), REQUEST)
    assert isinstance(failure, PermanentFailure)
    assert failure.code == "document_too_complex"
    assert setting in failure.message
    assert words in failure.message


def test_a_slow_client_or_a_dead_server_is_not_the_documents_fault() -> None:
    for verdict in (Verdict("wall"), None):
        failure = failures.ended(verdict, REQUEST)
        assert isinstance(failure, TransientFailure)
        assert failure.code == "renderer_unavailable"


def test_an_end_without_a_word_is_given_up() -> None:
    assert failures.ended(Verdict("exit", 1), REQUEST).code == "document_too_complex"
