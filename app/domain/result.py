"""What a reader returns for a batch of pages, and what a finished document holds."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counted them; zero where nothing was paid."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)


@dataclass(frozen=True)
class Answer:
    """One reader's answer to one batch, exactly as it came: saved before anybody parses it."""

    text: str
    model: str
    usage: Usage = field(default_factory=Usage)

    def as_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Answer":
        return cls(text=record["text"], model=record["model"], usage=Usage(**record["usage"]))


@dataclass(frozen=True)
class Analysis:
    """The end of a document: `result` for a person, `data` for a program, `usage` for the bill."""

    result: str
    model: str
    usage: Usage
    data: dict[str, Any] | None = None

    def usage_record(self) -> dict[str, Any]:
        return asdict(self.usage) | {"model": self.model, "cached": False}
