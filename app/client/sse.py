"""A stream of server-sent events, read line by line, and what to do when it breaks."""

import json
from collections.abc import Mapping
from typing import Final

import httpx

from app.client.errors import ApiError
from app.client.flows import Patience, Pause
from app.client.types import Change, change, deleted
from app.client.wire import NOT_OURS, checked

SILENCE_S: Final = 45.0
"""The server says something every 15 s; after so long it is taken for gone."""
TIMEOUT: Final = httpx.Timeout(10.0, read=SILENCE_S)
NO_CONTENT: Final = 204


class Following:
    """One document's stream over however many connections it takes."""

    def __init__(self, file_id: str, patience: Patience) -> None:
        self._file_id = file_id
        self._patience = patience
        self._last_id: str | None = None
        self._lines: list[tuple[str, str]] = []
        self.over = False

    def headers(self) -> Mapping[str, str]:
        """Go on after the event that was read last."""
        return {"accept": "text/event-stream"} | ({"last-event-id": self._last_id} if self._last_id else {})

    def begun(self, response: httpx.Response) -> None:
        """Raises ApiError; the body of a bad answer must have been read."""
        self._lines.clear()
        checked(response)
        self._patience.renew()
        self.over = response.status_code == NO_CONTENT

    def line(self, text: str) -> Change | None:
        """The event that this line completes, if it does."""
        if text:
            name, _, value = text.partition(":")
            self._lines.append((name, value.removeprefix(" ")))
            return None
        fields, self._lines = self._lines, []
        data = "\n".join(value for name, value in fields if name == "data")
        kind = next((value for name, value in fields if name == "event"), "message")
        if not data or kind not in ("status", "deleted"):
            return None
        event = self._event(kind, data)
        self._last_id = next((value for name, value in fields if name == "id"), self._last_id)
        self.over = event.ended
        return event

    def _event(self, kind: str, data: str) -> Change:
        try:
            return deleted(self._file_id) if kind == "deleted" else change(self._file_id, json.loads(data))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            raise ApiError("unexpected_answer", NOT_OURS) from None

    def broken(self, error: ApiError | None) -> Pause:
        """It ended before the document did: the pause before the next try. Raises when there is none."""
        if error is not None and not error.retryable:
            raise error
        pause = self._patience.pause(error.retry_after_s if error else None)
        if pause is None:
            raise error or ApiError("unreachable", "The stream of events ended early.", retryable=True)
        return pause
