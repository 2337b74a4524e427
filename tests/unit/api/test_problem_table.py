"""The one table from codes to HTTP: every code that can be raised is in it."""

import ast
import inspect
from pathlib import Path

import app.api.files
import app.intake.errors
import app.storage.base
from app.api.error_handlers import RETRY_AFTER_S, STATUS_OF
from app.domain import errors
from app.domain.errors import DomainError

WORKERS_OWN = {errors.PermanentFailure, errors.TransientFailure}


def codes_of(module: object) -> set[str]:
    kinds = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, DomainError)]
    return {kind.code for kind in kinds if kind not in WORKERS_OWN}


def codes_in_calls(path: Path) -> set[str]:
    """`code="…"` of every call in a file."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    words = [word for call in calls for word in call.keywords if word.arg == "code"]
    return {word.value.value for word in words if isinstance(word.value, ast.Constant)}


def test_every_code_has_its_status() -> None:
    raised = codes_of(errors) | codes_of(app.intake.errors) | codes_of(app.storage.base)
    raised |= codes_in_calls(Path(app.api.files.__file__))
    assert {"file_too_large", "storage_full", "not_retryable"} <= raised
    assert raised <= set(STATUS_OF)


def test_every_passing_trouble_says_when_to_try_again() -> None:
    passing = {code for code, status in STATUS_OF.items() if status in (503, 507)}
    assert passing <= set(RETRY_AFTER_S) <= set(STATUS_OF)
