"""`AsyncClient`: the same service for a program with an event loop."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import httpx

from app.client import flows
from app.client.errors import ApiError
from app.client.flows import Flow, OnOutage, OnProgress, Patience, T
from app.client.sse import TIMEOUT, Following
from app.client.types import Change, Document
from app.client.wire import Ask, OnSent, Source, Upload, checked, no_answer, options, request_arguments


class AsyncClient:
    """As `Client`, each call awaited. What is given as `on_…` is called, not awaited."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        patience_s: float = 60.0,
        **httpx_options: Any,
    ) -> None:
        self._http = httpx.AsyncClient(**(options(url, api_key, timeout_s) | httpx_options))
        self._patience_s = patience_s
        self.url = url.strip().rstrip("/")

    async def check(self) -> None:
        """Whether a Full-RAG server answers at the URL, asked once. Raises ApiError (Unreachable)."""
        await self._run(flows.check())

    async def upload(
        self,
        source: Source,
        *,
        prompt: str | None = None,
        name: str | None = None,
        idempotency_key: str | None = None,
        on_sent: OnSent | None = None,
        on_outage: OnOutage | None = None,
    ) -> str:
        """Send a file; the new document's id. See `Client.upload`."""
        file = Upload(source, name, on_sent)
        return await self._run(flows.upload(file, prompt, idempotency_key, self._patience(), on_outage))

    async def get(self, file_id: str) -> Document:
        """The document as it is now."""
        return await self._run(flows.get(file_id, self._patience()))

    async def wait(
        self,
        file_id: str,
        timeout_s: float | None = None,
        *,
        on_progress: OnProgress | None = None,
        on_outage: OnOutage | None = None,
    ) -> Document:
        """The document once it has ended, well or badly. Raises WaitTimeout. See `Client.wait`."""
        return await self._run(flows.wait(file_id, Patience(timeout_s), on_progress, on_outage))

    async def result(self, file_id: str) -> str:
        """The analysis. Raises NotFinished or DocumentFailed."""
        return await self._run(flows.result(file_id, self._patience()))

    async def list(self, *, page_size: int = 50, **filters: str) -> AsyncIterator[Document]:
        """All documents, newest first, fetched page by page as they are asked for."""
        path: str | None = "/files"
        params = {"limit": str(page_size), **filters}
        while path is not None:
            page = await self._run(flows.page(path, params, self._patience()))
            for one in page.documents:
                yield one
            path, params = page.next, {}

    async def retry(self, file_id: str) -> Document:
        """Try a failed or cancelled document again."""
        return await self._run(flows.act(file_id, "retry", self._patience()))

    async def cancel(self, file_id: str) -> Document:
        """Stop working on a document."""
        return await self._run(flows.act(file_id, "cancel", self._patience()))

    async def delete(self, file_id: str) -> None:
        """Delete a document and all that was made of it."""
        await self._run(flows.delete(file_id, self._patience()))

    async def events(self, file_id: str) -> AsyncIterator[Change]:
        """Each change of the document, from its current state to its end, over broken connections too."""
        path, following = flows.path_of(file_id, "/events"), Following(file_id, self._patience())
        while not following.over:
            trouble = None
            try:
                async with self._http.stream(
                    "GET", path, headers=following.headers(), timeout=TIMEOUT
                ) as response:
                    if response.is_error:
                        await response.aread()
                    following.begun(response)
                    async for line in response.aiter_lines():
                        if (event := following.line(line)) is not None:
                            yield event
            except httpx.HTTPError as error:
                trouble = no_answer(error, self.url)
            except ApiError as error:
                trouble = error
            if not following.over:
                await asyncio.sleep(following.broken(trouble).seconds)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()

    def _patience(self) -> Patience:
        return Patience(self._patience_s)

    async def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                if not isinstance(step, Ask):
                    await asyncio.sleep(step.seconds)
                    step = flow.send(None)
                    continue
                try:
                    answer = await self._ask(step)
                except ApiError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _ask(self, ask: Ask) -> httpx.Response:
        try:
            with request_arguments(ask, self._http.timeout) as arguments:
                return checked(await self._http.request(ask.method, ask.path, **arguments))
        except httpx.HTTPError as error:
            raise no_answer(error, self.url) from error
