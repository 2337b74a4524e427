"""A fake OpenAI server in a process of its own: slow at times, busy at times, and it counts what it bills.

    python -m tests.chaos.model_server PORT SEED LOGFILE

Every request leaves one JSON line in the log when it is answered: {"number", "at", "answered", "status"}.
A 200 is *paid*, whether or not anybody was still listening. `GET /` says how many are being answered.
"""

import json
import random
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from tests.chaos.documents import number_in

VERY_SLOW_S = 12.0
"""Longer than the worker waits: paid for, and never heard."""


def outcome(seed: int, number: int, attempt: int) -> tuple[int, float]:
    """Status and seconds for the `attempt`-th request of a document."""
    chance = random.Random(f"{seed} {number} {attempt}")
    roll = chance.random()
    if roll < 0.05:
        return 429, 0.02
    if roll < 0.08:
        return 500, 0.05
    if roll < 0.09:
        return 200, VERY_SLOW_S
    if roll < 0.2:
        return 200, chance.uniform(1.5, 4)
    return 200, chance.uniform(0.05, 0.5)


class Model(BaseHTTPRequestHandler):
    """Answers `POST …/responses`."""

    protocol_version = "HTTP/1.1"
    seed: ClassVar[int]
    log: ClassVar[Any]
    lock: ClassVar[threading.Lock] = threading.Lock()
    asked: ClassVar[Counter[int]] = Counter()
    busy: ClassVar[int] = 0

    def do_GET(self) -> None:
        self._reply(200, {"busy": Model.busy})

    def do_POST(self) -> None:
        arrived = time.time()
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        number = number_in(body)
        if number is None or "data:image/jpeg;base64,/9j/" not in body:
            self._reply(400, {"error": {"message": "not one of ours, or without its page"}})
            return
        with Model.lock:
            attempt = Model.asked[number]
            Model.asked[number] += 1
            Model.busy += 1
        status, delay_s = outcome(Model.seed, number, attempt)
        time.sleep(delay_s)
        with Model.lock:
            line = {"number": number, "at": arrived, "answered": time.time(), "status": status}
            Model.log.write(json.dumps(line) + "\n")
            Model.log.flush()
            Model.busy -= 1
        self._reply(status, _analysis(number) if status == 200 else {"error": {"message": "try again"}})

    def _reply(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if status == 429:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # nobody listens any more; it is billed all the same

    def log_message(self, *_: object) -> None:
        """The log file says it all."""


def _analysis(number: int) -> dict[str, Any]:
    content = [{"type": "output_text", "text": f"The analysis of document {number}."}]
    return {
        "id": f"resp_{number}",
        "object": "response",
        "status": "completed",
        "model": "chaos-model",
        "output": [{"type": "message", "role": "assistant", "content": content}],
        "usage": {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110},
    }


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    port, seed, log = sys.argv[1:]
    Model.seed = int(seed)
    with Path(log).open("a", encoding="utf-8") as Model.log:
        Server(("127.0.0.1", int(port)), Model).serve_forever()


if __name__ == "__main__":
    main()
