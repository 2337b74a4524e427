"""What a reader needs to know from the settings, as one frozen object."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ReaderOptions:
    """Which reader, and how it reaches its model. Times in seconds."""

    kind: Literal["openai", "local"] = "local"
    api_key: str | None = None
    base_url: str | None = None
    model: str = "gpt-5.4-mini"
    api: Literal["responses", "chat"] = "responses"
    timeout_s: float = 120.0
    image_detail: Literal["auto", "low", "high"] = "high"
    max_output_tokens: int = 4096
    ocr_language: str = "eng"

    def __repr__(self) -> str:
        """Without the key, so that no traceback or log can show it."""
        return f"ReaderOptions(kind={self.kind!r}, model={self.model!r}, api={self.api!r})"
