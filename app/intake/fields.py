"""The form's text fields: what there is besides the file, how long each may be, and that it is text."""

from dataclasses import dataclass, field
from typing import Any, Final

from app.domain.metadata import MAX_TEXT, parse_metadata
from app.domain.webhook_url import MAX_URL, Allowed, parse_webhook_url
from app.intake.errors import InvalidField
from app.intake.form import Part

MAX_PROMPT: Final = 4_000
MAX_CHARACTERS: Final = {"prompt": MAX_PROMPT, "webhook_url": MAX_URL, "metadata": MAX_TEXT}
UTF8_BYTES: Final = 4
"""The most that one character takes."""


@dataclass(frozen=True)
class Wanted:
    """What the form asks for: of its one document, or of every one of a batch."""

    options: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    webhook_url: str | None = None


@dataclass
class _Text:
    part: Part
    data: bytearray = field(default_factory=bytearray)


class TextFields:
    """Collects them as they arrive, and no more of them than they may have."""

    def __init__(self, webhooks: Allowed) -> None:
        self._webhooks = webhooks
        self._texts: dict[str, _Text] = {}

    def feed(self, part: Part, data: bytes) -> None:
        """Data of a part whose name is in `MAX_CHARACTERS`."""
        text = self._texts.setdefault(part.name, _Text(part))
        if text.part is not part:
            raise InvalidField(f"The field '{part.name}' is given twice. Send it once.")
        text.data += data
        if len(text.data) > UTF8_BYTES * MAX_CHARACTERS[part.name]:
            raise _too_long(part.name)

    def wanted(self) -> Wanted:
        """What was sent so far. Raises a DomainError on what cannot be used."""
        prompt = self._text("prompt")
        return Wanted({"prompt": prompt} if prompt else {}, self._metadata(), self._webhook_url())

    def _metadata(self) -> dict[str, str]:
        text = self._text("metadata")
        try:
            return parse_metadata(text) if text else {}
        except ValueError as expected:
            raise InvalidField(f"The field 'metadata' must be {expected}.") from None

    def _webhook_url(self) -> str | None:
        """Refused here if it can never be called; where it leads is judged when it is."""
        url = self._text("webhook_url")
        if not url:
            return None
        parse_webhook_url(url, self._webhooks)
        return url

    def _text(self, name: str) -> str:
        """The field without blanks around it; empty when it was not sent."""
        if name not in self._texts:
            return ""
        try:
            text = self._texts[name].data.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise InvalidField(f"The field '{name}' is not UTF-8 text. Send it as UTF-8.") from None
        if len(text) > MAX_CHARACTERS[name]:
            raise _too_long(name)
        return text


def _too_long(name: str) -> InvalidField:
    return InvalidField(f"The field '{name}' is longer than {MAX_CHARACTERS[name]:,} characters. Shorten it.")
