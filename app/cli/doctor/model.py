"""The model's server: is it there, does it take the key, has it the model, does it see images?"""

import base64
from pathlib import Path
from typing import Any, Final

import httpx

from app.cli.doctor.finding import Finding, Findings, fail, ok, skip, warn, where
from app.config import WorkerSettings
from app.domain.errors import DomainError

PART: Final = "model"
OPENAI: Final = "https://api.openai.com/v1"
PATIENCE_S: Final = 10.0
SQUARE: Final = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWG"
    "kJ6jq62rZ4C8ybqmx5moq6T/wAALCABAAEABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAAAAcG/8QAFBABAAAAAAAAAAAAAAAA"
    "AAAAAP/aAAgBAQAAPwDTAAAAAAmYCmAJmApgCZgKYAmYCmAAAAAA/9k="
)
"""A black square on white, 64 by 64 pixels, JPEG."""


def look(settings: WorkerSettings, *, ask: bool) -> Findings:
    if not settings.uses_openai:
        yield ok(PART, "none: the local reader answers (a model does with OPENAI_API_KEY or OPENAI_BASE_URL)")
        return
    base = (settings.openai_base_url or OPENAI).rstrip("/")
    found = list(_server(settings, base))
    yield from found
    if not ask:
        yield skip(
            "model sees images", "not asked: --ask-model sends one small image, which may cost a little"
        )
    elif any(one.state == "fail" for one in found):
        yield skip("model sees images", "not asked while the server cannot be used")
    else:
        yield sees_images(settings)


def _server(settings: WorkerSettings, base: str) -> Findings:
    """By the list of models, which costs nothing."""
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{base}/models", headers=headers, timeout=PATIENCE_S, trust_env=not _near(base))
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError, ValueError):
        yield fail(PART, "OPENAI_BASE_URL is no address", "Write it as in https://api.openai.com/v1")
        return
    except httpx.HTTPError as error:
        yield fail(
            PART,
            f"{where(base)} does not answer ({type(error).__name__})",
            "Start the model's server, or correct OPENAI_BASE_URL and the way out (proxy, firewall).",
        )
        return
    yield from _answered(settings, base, answer)


def _answered(settings: WorkerSettings, base: str, answer: httpx.Response) -> Findings:
    status = answer.status_code
    if status in (401, 403):
        yield fail(
            PART, f"{where(base)} refuses the key", "Correct OPENAI_API_KEY (or its project's rights)."
        )
        return
    names = _names(answer) if status == httpx.codes.OK else None
    if names is None:
        yield warn(
            PART,
            f"{where(base)} answers, but does not list its models (HTTP {status})",
            "Try with --ask-model; where that fails, OPENAI_BASE_URL should end as in …/v1.",
        )
    elif settings.openai_model in names:
        yield ok(PART, f"{where(base)} answers, takes the key and has {settings.openai_model}")
    else:
        yield fail(
            PART,
            f"{where(base)} does not have the model {settings.openai_model}",
            f"Set OPENAI_MODEL to one of its {len(names)} models that sees images.",
        )


def _names(answer: httpx.Response) -> set[str] | None:
    try:
        rows: list[dict[str, Any]] = answer.json()["data"]
        return {str(row["id"]) for row in rows}
    except (ValueError, KeyError, TypeError):
        return None


def _near(base: str) -> bool:
    return httpx.URL(base).host in ("localhost", "127.0.0.1", "::1")


def sees_images(settings: WorkerSettings) -> Finding:
    """One request as a worker sends it; imported here because these libraries are large."""
    from app.pipeline.ports import Context, Page
    from app.pipeline.vision import make_reader
    from app.queue.runtime import reader_options

    page = Page(1, base64.b64decode(SQUARE), 64, 64)
    try:
        reader = make_reader(reader_options(settings))
        try:
            answer = reader.read(Context("doctor", "doctor", Path()), [page], 0, 1)
        finally:
            reader.close()
    except DomainError as error:
        return fail("model sees images", error.code, error.message)
    tokens = answer.usage.input_tokens + answer.usage.output_tokens
    return ok("model sees images", f"one image was answered ({tokens} tokens)")
