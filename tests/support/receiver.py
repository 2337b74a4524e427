"""A webhook receiver on this machine that answers as a test tells it to, and keeps what it was sent."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

HANG_S = 60.0


@dataclass(frozen=True)
class Received:
    """One request, and what it was answered."""

    path: str
    headers: dict[str, str]
    body: bytes
    answered: "Answer"

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def verified_by(self, secret: str) -> bool:
        Webhook(secret).verify(self.body, self.headers)
        return True


@dataclass(frozen=True)
class Answer:
    """`how`: a proper answer, or hang (until the test ends) or reset instead."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thanks"
    how: str = "answer"


OK = Answer()
BROKEN = Answer(500, body=b"broken\x00 \xff")
HANG = Answer(how="hang")
RESET = Answer(how="reset")
GONE = Answer(410, body=b"")


class Receiver:
    """`answer` is asked for each request: (path, how often this webhook-id came before, itself included)."""

    def __init__(self) -> None:
        self.answer: Callable[[str, int], Answer] = lambda path, times: OK
        self.received: list[Received] = []
        self.port = 0
        self._times: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def allow(self) -> str:
        return f"127.0.0.1:{self.port}"

    def accepted(self) -> list[Received]:
        """What was answered with 200."""
        with self._lock:
            return [
                one for one in self.received if one.answered.how == "answer" and one.answered.status == 200
            ]

    def at(self, path: str) -> list[Received]:
        with self._lock:
            return [one for one in self.received if one.path == path]

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        with self._lock:
            key = (path, headers.get("webhook-id", ""))
            self._times[key] = self._times.get(key, 0) + 1
            answer = self.answer(path, self._times[key])
            self.received.append(Received(path, headers, body, answer))
        if answer.how == "hang":
            self._end.wait(HANG_S)
        return answer

    def release(self) -> None:
        """Let the hanging requests end."""
        self._end.set()

    @contextmanager
    def running(self) -> Iterator["Receiver"]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:  # the sender was killed in the middle: it said nothing
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = receiver.take(self.path, headers, body)
                if answer.how == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that went away is what these tests are about."""

        server = Server(("127.0.0.1", 0), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.release()
            server.shutdown()
            server.server_close()
            thread.join()
