"""`Client`: the service for a program that waits for each answer."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx

from app.client import flows
from app.client.errors import ApiError
from app.client.flows import Flow, OnOutage, OnProgress, Patience, T
from app.client.sse import TIMEOUT, Following
from app.client.types import Change, Document
from app.client.wire import Ask, OnSent, Source, Upload, checked, no_answer, options, request_arguments


class Client:
    """`timeout_s` is for each step of a request, `patience_s` how long one is tried again while the server
    is away or asks to come later. May be shared by threads. Raises ValueError for a wrong URL or key.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        patience_s: float = 60.0,
        **httpx_options: Any,
    ) -> None:
        self._http = httpx.Client(**(options(url, api_key, timeout_s) | httpx_options))
        self._patience_s = patience_s
        self.url = url.strip().rstrip("/")

    def check(self) -> None:
        """Whether a Full-RAG server answers at the URL, asked once. Raises ApiError (Unreachable)."""
        self._run(flows.check())

    def upload(
        self,
        source: Source,
        *,
        prompt: str | None = None,
        name: str | None = None,
        idempotency_key: str | None = None,
        on_sent: OnSent | None = None,
        on_outage: OnOutage | None = None,
    ) -> str:
        """Send a file (a path, or one opened for reading bytes that can seek); the new document's id.

        Without an `idempotency_key` one is made, so that an upload that is tried again is still one document.
        """
        file = Upload(source, name, on_sent)
        return self._run(flows.upload(file, prompt, idempotency_key, self._patience(), on_outage))

    def get(self, file_id: str) -> Document:
        """The document as it is now."""
        return self._run(flows.get(file_id, self._patience()))

    def wait(
        self,
        file_id: str,
        timeout_s: float | None = None,
        *,
        on_progress: OnProgress | None = None,
        on_outage: OnOutage | None = None,
    ) -> Document:
        """The document once it has ended, well or badly. Raises WaitTimeout.

        Goes on through restarts and outages of the server; `on_outage` is told of each failed try.
        """
        return self._run(flows.wait(file_id, Patience(timeout_s), on_progress, on_outage))

    def result(self, file_id: str) -> str:
        """The analysis. Raises NotFinished or DocumentFailed."""
        return self._run(flows.result(file_id, self._patience()))

    def list(self, *, page_size: int = 50, **filters: str) -> Iterator[Document]:
        """All documents, newest first, fetched page by page as they are asked for."""
        path: str | None = "/files"
        params = {"limit": str(page_size), **filters}
        while path is not None:
            page = self._run(flows.page(path, params, self._patience()))
            yield from page.documents
            path, params = page.next, {}

    def retry(self, file_id: str) -> Document:
        """Try a failed or cancelled document again."""
        return self._run(flows.act(file_id, "retry", self._patience()))

    def cancel(self, file_id: str) -> Document:
        """Stop working on a document."""
        return self._run(flows.act(file_id, "cancel", self._patience()))

    def delete(self, file_id: str) -> None:
        """Delete a document and all that was made of it."""
        self._run(flows.delete(file_id, self._patience()))

    def events(self, file_id: str) -> Iterator[Change]:
        """Each change of the document, from its current state to its end, over broken connections too."""
        path, following = flows.path_of(file_id, "/events"), Following(file_id, self._patience())
        while not following.over:
            trouble = None
            try:
                with self._http.stream("GET", path, headers=following.headers(), timeout=TIMEOUT) as response:
                    if response.is_error:
                        response.read()
                    following.begun(response)
                    for line in response.iter_lines():
                        if (event := following.line(line)) is not None:
                            yield event
            except httpx.HTTPError as error:
                trouble = no_answer(error, self.url)
            except ApiError as error:
                trouble = error
            if not following.over:
                time.sleep(following.broken(trouble).seconds)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _patience(self) -> Patience:
        return Patience(self._patience_s)

    def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                if not isinstance(step, Ask):
                    time.sleep(step.seconds)
                    step = flow.send(None)
                    continue
                try:
                    answer = self._ask(step)
                except ApiError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value

    def _ask(self, ask: Ask) -> httpx.Response:
        try:
            with request_arguments(ask, self._http.timeout) as arguments:
                return checked(self._http.request(ask.method, ask.path, **arguments))
        except httpx.HTTPError as error:
            raise no_answer(error, self.url) from error
