"""What the client does, step by step, without doing it: the sync and the async client each drive these.

A flow yields an `Ask` (and is sent the answer, or an ApiError is thrown into it) or a `Pause`.
"""

import random
import re
import secrets
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx

from app.client.errors import ApiError, DocumentFailed, NotFinished, Unreachable, WaitTimeout
from app.client.types import Document, Page, document
from app.client.wire import NOT_OURS, Ask, Upload, content

LOOK_S: Final = 20
"""So long one request waits for a change."""
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 5.0
POLL_S: Final = 1.0
"""Between two looks at a server that does not let its callers wait."""
IDS: Final = re.compile(r"[0-9a-fA-F]{24}")
WAITED: Final = re.compile(r"wait=([1-9]\d*)")

T = TypeVar("T")


@dataclass(frozen=True)
class Pause:
    seconds: float


Flow = Generator[Ask | Pause, Any, T]
OnProgress = Callable[[Document], None]
OnOutage = Callable[[ApiError], None]


class Patience:
    """How much longer something may be tried again, and how long to pause before it is."""

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until = self._end()
        self._next_s = FIRST_PAUSE_S

    def _end(self) -> float | None:
        return None if self._seconds is None else self._clock() + self._seconds

    def renew(self) -> None:
        """It went well for now: the next trouble has all of the time again."""
        self._until = self._end()
        self.calm()

    def left(self) -> float:
        return float("inf") if self._until is None else max(0.0, self._until - self._clock())

    def calm(self) -> None:
        """It went well: the next trouble begins with a short pause again."""
        self._next_s = FIRST_PAUSE_S

    def pause(self, asked_for_s: float | None) -> Pause | None:
        """Before the next try; None where the time left does not reach so far."""
        jittered = self._next_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._next_s = min(self._next_s * 2, LONGEST_PAUSE_S)
        seconds = max(jittered, asked_for_s or 0.0)
        return Pause(seconds) if seconds < self.left() else None


def path_of(file_id: str, rest: str = "") -> str:
    """Raises ValueError for what is no id: it would be another address."""
    if not IDS.fullmatch(file_id):
        raise ValueError("A document's id is the 24 hexadecimal digits that its upload answered.")
    return f"/{file_id.lower()}{rest}"


def insisted(ask: Ask, patience: Patience, on_outage: OnOutage | None = None) -> Flow[httpx.Response]:
    """The answer, asked for again while the server is away or says "later" and patience lasts."""
    while True:
        try:
            answer: httpx.Response = yield ask
        except ApiError as error:
            lost = isinstance(error, Unreachable) and error.sent
            if not error.retryable or (lost and not ask.again):
                raise
            pause = patience.pause(error.retry_after_s)
            if pause is None:
                raise
            if on_outage is not None:
                on_outage(error)
            yield pause
        else:
            patience.calm()
            return answer


def upload(
    file: Upload,
    prompt: str | None,
    idempotency_key: str | None,
    patience: Patience,
    on_outage: OnOutage | None = None,
) -> Flow[str]:
    """The new document's id. One key for all tries: however often it is sent, it is one document."""
    headers = {"idempotency-key": idempotency_key or secrets.token_hex(16)}
    form = {} if prompt is None else {"prompt": prompt}
    answer = yield from insisted(
        Ask("POST", "/upload", headers=headers, form=form, upload=file), patience, on_outage
    )
    body = content(answer)
    if not isinstance(body, dict) or not IDS.fullmatch(str(body.get("file_id"))):
        raise ApiError("unexpected_answer", NOT_OURS, status=answer.status_code)
    return str(body["file_id"])


def check() -> Flow[None]:
    answer: httpx.Response = yield Ask("GET", "/", headers={"accept": "application/json"})
    if content(answer) != {"status": "healthy"}:
        raise ApiError("unexpected_answer", NOT_OURS, status=answer.status_code)


def get(file_id: str, patience: Patience) -> Flow[Document]:
    return as_document((yield from insisted(Ask("GET", path_of(file_id)), patience)))


def result(file_id: str, patience: Patience) -> Flow[str]:
    found = yield from get(file_id, patience)
    if found.done:
        return found.result or ""
    raise DocumentFailed(found) if found.ended else NotFinished(found)


def act(file_id: str, action: str, patience: Patience) -> Flow[Document]:
    """`retry` or `cancel`. A second one would be refused, so it goes again only if none was heard."""
    ask = Ask("POST", path_of(file_id, f"/{action}"), again=False)
    return as_document((yield from insisted(ask, patience)))


def delete(file_id: str, patience: Patience) -> Flow[None]:
    yield from insisted(Ask("DELETE", path_of(file_id)), patience)


def page(path: str, params: Mapping[str, str], patience: Patience) -> Flow[Page]:
    """One page of the list; where the next one is stands in its Link header (RFC 8288)."""
    answer = yield from insisted(Ask("GET", path, params=params), patience)
    body = content(answer)
    rows = body.get("files") if isinstance(body, dict) else body
    if not isinstance(rows, list):
        raise ApiError("unexpected_answer", NOT_OURS, status=answer.status_code)
    link = answer.links.get("next", {}).get("url")
    try:
        return Page(tuple(document(row) for row in rows), _local(link) if link else None)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ApiError("unexpected_answer", NOT_OURS, status=answer.status_code) from None


def _local(link: str) -> str:
    """The address without its host: the key is sent to the server that it is for, and to no other."""
    parts = urlsplit(urljoin("/files", link))
    return f"{parts.path}?{parts.query}"


def wait(
    file_id: str, patience: Patience, on_progress: OnProgress | None, on_outage: OnOutage | None
) -> Flow[Document]:
    """The document at its end. `on_progress` gets each state that is seen, and one after every outage."""
    path, tag, latest, outage = path_of(file_id), None, None, None
    while True:
        try:
            answer: httpx.Response = yield _look(path, tag, patience, at_once=outage is not None)
        except ApiError as error:
            if not error.retryable:
                raise
            pause, outage = patience.pause(error.retry_after_s), error
            if pause is None:
                raise WaitTimeout(file_id, latest, outage) from error
            if on_outage is not None:
                on_outage(error)
            yield pause
            continue
        patience.calm()
        news = answer.status_code != 304
        if news:
            latest, tag = as_document(answer), answer.headers.get("etag")
        if on_progress is not None and latest is not None and (news or outage is not None):
            on_progress(latest)
        outage = None
        if latest is not None and latest.ended:
            return latest
        if patience.left() <= 0:
            raise WaitTimeout(file_id, latest, None)
        if tag is None or (not news and not WAITED.search(answer.headers.get("preference-applied", ""))):
            yield Pause(min(POLL_S, patience.left()))


def _look(path: str, tag: str | None, patience: Patience, *, at_once: bool) -> Ask:
    """The first look answers at once, as does one after an outage; others when something has changed."""
    if tag is None:
        return Ask("GET", path)
    if at_once:
        return Ask("GET", path, headers={"if-none-match": tag})
    seconds = int(max(1, min(LOOK_S, patience.left())))
    return Ask("GET", path, headers={"if-none-match": tag, "prefer": f"wait={seconds}"}, wait_s=seconds)


def as_document(answer: httpx.Response) -> Document:
    """Raises ApiError where it is none."""
    try:
        return document(content(answer))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ApiError("unexpected_answer", NOT_OURS, status=answer.status_code) from None
