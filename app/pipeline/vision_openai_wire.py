"""What goes over the wire to a model and how its answer is read, for both APIs: plain JSON, no network."""

import base64
from typing import Any, Final
from urllib.parse import urlsplit

from app.domain.errors import PermanentFailure, TransientFailure
from app.domain.result import Answer, Usage
from app.pipeline.ports import Page
from app.pipeline.vision_options import ReaderOptions

PATHS: Final = {"responses": "/responses", "chat": "/chat/completions"}
MAX_COUNT: Final = 2**53
KNOWS_COMPLETION_TOKENS: Final = ("openai.com", "azure.com")


def request_of(options: ReaderOptions, system: str, note: str, pages: list[Page]) -> dict[str, Any]:
    """The request's body: `system` holds the instructions, the user message `note` and the images."""
    if options.api == "chat":
        return _chat_request(options, system, note, pages)
    images = [
        {"type": "input_image", "image_url": data_uri(page.jpeg), "detail": options.image_detail}
        for page in pages
    ]
    return {
        "model": options.model,
        "instructions": system,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": note}, *images]}],
        "max_output_tokens": options.max_output_tokens,
        "store": False,  # people's documents are not to be kept by the provider for later look-up
    }


def _chat_request(options: ReaderOptions, system: str, note: str, pages: list[Page]) -> dict[str, Any]:
    images = [
        {
            "type": "image_url",
            "image_url": {"url": data_uri(page.jpeg), "detail": options.image_detail},
        }
        for page in pages
    ]
    return {
        "model": options.model,
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": [{"type": "text", "text": note}, *images]},
        ],
        _limit_name(options.base_url): options.max_output_tokens,
    }


def _limit_name(base_url: str | None) -> str:
    """OpenAI's newer models refuse `max_tokens`; most compatible servers know no other name."""
    host = (urlsplit(base_url).hostname or "") if base_url else "openai.com"
    official = any(host == name or host.endswith(f".{name}") for name in KNOWS_COMPLETION_TOKENS)
    return "max_completion_tokens" if official else "max_tokens"


def data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def answer_of(api: str, data: Any, asked_model: str) -> Answer:
    """The answer in a 200 reply; raises where it is refused, cut short or empty."""
    reply = data if isinstance(data, dict) else {}
    text, usage = _from_chat(reply) if api == "chat" else _from_responses(reply)
    if not text.strip():
        raise TransientFailure("The model answered with nothing; we try again.", code="model_empty_answer")
    model = reply.get("model")
    return Answer(_storable(text), model[:200] if isinstance(model, str) and model else asked_model, usage)


def _from_responses(reply: dict[str, Any]) -> tuple[str, Usage]:
    if reply.get("status") == "failed":
        raise _failed(_mapping(reply.get("error")).get("code"))
    if reply.get("status") == "incomplete":
        _raise_incomplete(_mapping(reply.get("incomplete_details")).get("reason"))
    parts = [
        part
        for item in _mappings(reply.get("output"))
        if item.get("type") == "message"
        for part in _mappings(item.get("content"))
    ]
    text = "".join(_text(part.get("text")) for part in parts if part.get("type") == "output_text")
    if not text.strip() and any(part.get("type") == "refusal" for part in parts):
        raise _refused()
    return text, _usage(reply, "input_tokens", "output_tokens")


def _from_chat(reply: dict[str, Any]) -> tuple[str, Usage]:
    choice = next(iter(_mappings(reply.get("choices"))), {})
    message = _mapping(choice.get("message"))
    if choice.get("finish_reason") in ("length", "content_filter"):
        _raise_incomplete(choice["finish_reason"])
    content = message.get("content")
    text = content if isinstance(content, str) else "".join(_text(p.get("text")) for p in _mappings(content))
    if not text.strip() and message.get("refusal"):
        raise _refused()
    return text, _usage(reply, "prompt_tokens", "completion_tokens")


def _raise_incomplete(reason: Any) -> None:
    if reason == "content_filter":
        raise _refused()
    raise PermanentFailure(
        "The model's answer was longer than MAX_OUTPUT_TOKENS allows and came cut off. "
        "Raise MAX_OUTPUT_TOKENS or lower PAGES_PER_CALL, then retry the document.",
        code="answer_truncated",
    )


def _refused() -> PermanentFailure:
    return PermanentFailure(
        "The model refused to analyse this document. Check its content and the prompt, or set another "
        "OPENAI_MODEL.",
        code="content_refused",
    )


def _failed(code: Any) -> PermanentFailure | TransientFailure:
    """A response that the provider itself calls failed, though it came with status 200."""
    if code == "rate_limit_exceeded":
        return TransientFailure(
            "The model's provider asks us to wait.",
            code="model_rate_limited",
            costs_attempt=False,
            waiting_for="provider",
        )
    if isinstance(code, str) and ("image" in code or code == "invalid_prompt"):
        return PermanentFailure(
            "The model could not accept the pages or the prompt. Check that OPENAI_MODEL reads images.",
            code="model_rejected_request",
        )
    return TransientFailure("The model's provider failed; we try again.", code="model_error")


def _usage(reply: dict[str, Any], input_name: str, output_name: str) -> Usage:
    usage = _mapping(reply.get("usage"))
    return Usage(_count(usage.get(input_name)), _count(usage.get(output_name)))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_COUNT else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _storable(text: str) -> str:
    """JSON may carry half a surrogate pair, which no database can store: a paid answer must not die of it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
