"""The choice of reader: a model behind an API, or the local reader. Each is imported only when chosen."""

from typing import Final, Protocol

from app.pipeline.ports import Reader
from app.pipeline.vision_options import ReaderOptions

__all__ = ["COST_NOTHING", "ReaderOptions", "make_reader", "warm"]

COST_NOTHING: Final = frozenset(
    {
        "model_rate_limited",
        "model_unavailable",
        "model_key_refused",
        "model_not_found",
        "model_quota_exceeded",
        "model_rejected_request",
        "model_url_invalid",
    }
)
"""Codes of failed calls that were certainly not paid for; any other call may have been billed."""


class OpenReader(Reader, Protocol):
    """A reader that holds connections until it is closed."""

    def close(self) -> None:
        """Give the connections back; the reader must not be used afterwards."""


def make_reader(options: ReaderOptions) -> OpenReader:
    """A reader for one job: it holds its own connections, so never share it across a fork."""
    if options.kind == "openai":
        from app.pipeline.vision_openai import OpenAIReader

        return OpenAIReader(options)
    from app.pipeline.vision_local import LocalReader

    return LocalReader(options.ocr_language)


def warm(options: ReaderOptions) -> None:
    """Pay the chosen reader's imports and first-call costs once, in the parent, before it forks."""
    if options.kind == "openai":
        from app.pipeline import vision_openai

        vision_openai.warm(options.api)
    else:
        from app.pipeline import vision_local  # noqa: F401  (the import is the warming)
