"""The reader that asks a model: OpenAI's API or any server that speaks it.

The SDK brings transport, keys and errors; requests and answers are plain JSON, because building the
SDK's typed objects for images costs several times the encoding and servers differ in the small print.
Retry decisions are not made here but in the record.
"""

import json
import ssl
from functools import cache
from pathlib import Path
from typing import Any, Literal

import httpx2
import openai
import orjson

from app.domain.errors import PermanentFailure, TransientFailure
from app.domain.result import Answer
from app.pipeline.ports import Context, Page
from app.pipeline.prompts import instructions, pages_note
from app.pipeline.vision_openai_errors import KEY_REFUSED, URL_INVALID, as_failure
from app.pipeline.vision_openai_wire import PATHS, answer_of, request_of
from app.pipeline.vision_options import ReaderOptions

DEFAULT_BASE_URL = "https://api.openai.com/v1"
CONNECT_TIMEOUT_S = 10.0
JSON_HEADERS = {"Content-Type": "application/json"}
WARM_REPLIES: dict[str, Any] = {
    "responses": {"output": [{"type": "message", "content": [{"type": "output_text", "text": "ready"}]}]},
    "chat": {"choices": [{"message": {"content": "ready"}}]},
}


class OpenAIReader:
    """Reads pages as images. Thread-safe; close it when the job is over."""

    paid = True

    def __init__(self, options: ReaderOptions, transport: httpx2.BaseTransport | None = None) -> None:
        self.model = options.model
        self._options = options
        self._client = _client(options, transport)

    def read(self, context: Context, pages: list[Page], batch: int, batches: int) -> Answer:
        """One paid call for these pages; at most one request goes out, whatever happens."""
        body = request_of(
            self._options, instructions(context.prompt), pages_note(pages, batch, batches), pages
        )
        return answer_of(self._options.api, self._post(orjson.dumps(body)), self._options.model)

    def _post(self, body: bytes) -> Any:
        try:
            response = self._client.post(
                PATHS[self._options.api],
                cast_to=httpx2.Response,
                content=body,
                options={"headers": JSON_HEADERS, "security": {"bearer_auth": True}},
            )
        except openai.OpenAIError as error:
            raise as_failure(error) from error
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError) as error:
            raise TransientFailure(
                "The model server's answer was not JSON. Check that OPENAI_BASE_URL is the API's address.",
                code="model_bad_answer",
            ) from error

    def close(self) -> None:
        self._client.close()


def warm(api: Literal["responses", "chat"]) -> None:
    """One call that never leaves the process: loads what a first call loads, and the TLS certificates."""
    reply = WARM_REPLIES[api]
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, json=reply))
    reader = OpenAIReader(ReaderOptions("openai", base_url="http://warm.invalid/v1", api=api), transport)
    reader.read(Context("", "", Path()), [Page(1, b"", 1, 1)], 0, 1)
    reader.close()


@cache
def tls_context() -> ssl.SSLContext:
    """The certificates, loaded once a process and inherited by its forks (it holds no connection)."""
    return httpx2.create_ssl_context()


def _client(options: ReaderOptions, transport: httpx2.BaseTransport | None) -> openai.OpenAI:
    key = options.api_key or "unused"  # the SDK refuses an empty one; servers without keys ignore it
    if not (key.isascii() and key.isprintable()):  # no header can hold it
        raise PermanentFailure(KEY_REFUSED, code="model_key_refused")
    base_url = options.base_url or DEFAULT_BASE_URL
    timeout = openai.Timeout(options.timeout_s, connect=min(CONNECT_TIMEOUT_S, options.timeout_s))
    try:
        return openai.OpenAI(
            api_key=key,
            base_url=base_url,
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultHttpxClient(
                verify=tls_context(), timeout=timeout, transport=transport, trust_env=not _is_local(base_url)
            ),
        )
    except (httpx2.InvalidURL, ValueError):
        raise PermanentFailure(URL_INVALID, code="model_url_invalid") from None


def _is_local(base_url: str) -> bool:
    """A server on this machine is never asked through the proxy that the environment may name."""
    return httpx2.URL(base_url).host in ("localhost", "127.0.0.1", "::1")
