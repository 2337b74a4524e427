"""A model server on this machine: llmock in a thread of the test's process, on a free port.

    with model_server() as model:
        model.answers("## Summary")            # what it says from now on (else: a sentence of its own)
        model.rate_limits(times=2, retry_after=1)
        model.fails(500)                       # one request; times=None for ever
        model.is_slow(1.0)                     # every request, until reset()
        ... run the code with OPENAI_BASE_URL=model.base_url ...
        model.paid_calls()                     # answered 200, whether or not the client was still there
        model.requests()                       # llmock's records: path, status, body (up to 256 kB), times

Answers of both APIs (Responses, Chat Completions) and any key are accepted. Scripted behaviours are used
up in the order in which they were added, one of each kind a request. Other processes reach it by
`base_url`, so it also serves the tests that kill workers: `wait_for_calls` waits until calls have
arrived, answered or not.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from llmock.journal import RequestRecord
from llmock.scenarios import Behavior, Delay, Fail, Reply
from llmock.testing import LLMockServer

PATIENCE_S = 60.0


class ModelServer:
    """Scripts and observes one running llmock."""

    def __init__(self, server: LLMockServer) -> None:
        self._server = server
        self.base_url: str = server.base_url("openai")

    def answers(self, text: str, *, times: int | None = None, finish_reason: str | None = None) -> None:
        """Say `text`; `finish_reason="length"` makes it an answer cut short."""
        self.script(Reply(text=text, finish_reason=finish_reason, times=times))

    def rate_limits(self, *, times: int | None = 1, retry_after: float | None = None) -> None:
        self.script(Fail(429, retry_after=retry_after, times=times))

    def fails(self, status: int, *, times: int | None = 1, code: str | None = None) -> None:
        self.script(Fail(status, code=code, times=times))

    def is_slow(self, seconds: float, *, times: int | None = None) -> None:
        self.script(Delay(seconds, times=times))

    def script(self, *behaviors: Behavior) -> None:
        """Any of llmock's behaviours, see `llmock.scenarios`."""
        self._server.state.scenarios.add(*behaviors)

    def reset(self) -> None:
        """Forget the script and the requests."""
        self._server.state.reset()

    def requests(self, *, wait_s: float = 0) -> list[RequestRecord]:
        """Finished requests in order of arrival; with `wait_s`, wait that long for those under way."""
        return list(self._server.state.journal.records(wait=wait_s or None))

    def paid_calls(self) -> int:
        """Requests answered 200: a provider would bill them even when nobody heard the answer."""
        return sum(1 for request in self.requests(wait_s=PATIENCE_S) if request.status == 200)

    def calls(self) -> int:
        """Requests that have arrived since the start or `reset()`, finished or not."""
        journal = self._server.state.journal
        return len(journal) + int(journal.in_flight)

    def wait_for_calls(self, count: int, timeout_s: float = PATIENCE_S) -> None:
        """Until at least `count` requests have arrived; raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while self.calls() < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.calls()} of {count} calls reached the model server")
            time.sleep(0.01)


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """A running server; stopped at the end of the block."""
    with LLMockServer() as server:
        yield ModelServer(server)
