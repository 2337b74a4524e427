"""A model server that answers when the test says so: to be in the middle of a paid call, always.

with gated_model() as model:
    ...                             # point OPENAI_BASE_URL at model.base_url, submit a document
    model.wait_for_calls(1)         # the call has arrived and is not answered
    os.kill(horse, signal.SIGKILL)  # whatever is to happen meanwhile
    model.let_all()                 # from now on every call is answered at once
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE_S = 60.0


class GatedModel:
    """Calls are numbered from 0 as they arrive; call n is answered once `let(n + 1)` was said."""

    def __init__(self) -> None:
        self.base_url = ""
        self.paid = 0
        """Calls answered 200, whether or not the client was still there to hear it."""
        self._arrived = 0
        self._allowed = 0
        self._cut: set[int] = set()
        self._changed = threading.Condition()

    def let(self, count: int) -> None:
        """Answer the first `count` calls, those under way and those to come."""
        with self._changed:
            self._allowed = max(self._allowed, count)
            self._changed.notify_all()

    def let_all(self) -> None:
        self.let(1 << 30)

    def cut_off(self, call: int) -> None:
        """That call's answer will be longer than the model may write: a permanent failure."""
        self._cut.add(call)

    def wait_for_calls(self, count: int) -> None:
        """Until so many have arrived, answered or not."""
        self._wait(lambda: self._arrived >= count, f"{count} calls")

    def wait_for_paid(self, count: int) -> None:
        self._wait(lambda: self.paid >= count, f"{count} answers")

    def _wait(self, happened: Callable[[], bool], what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(happened, PATIENCE_S):
                raise TimeoutError(
                    f"no {what} within {PATIENCE_S} s; {self._arrived} calls, {self.paid} paid"
                )

    def answer(self) -> bytes:
        """Called for each request, in its thread."""
        with self._changed:
            number = self._arrived
            self._arrived += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._allowed > number)
            self.paid += 1
            self._changed.notify_all()
        return json.dumps(self._reply(number)).encode()

    def _reply(self, number: int) -> dict[str, object]:
        part = {"type": "output_text", "text": f"answer {number}"}
        reply: dict[str, object] = {
            "status": "completed",
            "output": [{"type": "message", "content": [part]}],
            "usage": {"input_tokens": 10, "output_tokens": 5},
        }
        if number in self._cut:
            reply |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        return reply


@contextmanager
def gated_model() -> Iterator[GatedModel]:
    """A running server; whatever still waits at the end is answered."""
    model = GatedModel()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = model.answer()
            with suppress(OSError):  # the caller was killed meanwhile
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    model.base_url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        model.let_all()
        http.shutdown()
        http.server_close()
        thread.join()
