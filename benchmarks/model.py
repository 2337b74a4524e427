"""A model server that notes what each call took it: a process of its own, answering after a set delay.

`POST` anything: an answer of the Responses API. `GET /calls`: [[arrived, answered], …] in seconds, of
finished calls, and how many are under way. `GET /delay/<seconds>`: for all calls from now on; those under
way are answered at once.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress

ANSWER = {
    "status": "completed",
    "model": "bench",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "## Summary\nA resume."}]}],
    "usage": {"input_tokens": 6_000, "output_tokens": 400},
}
BUFFER = 16 * 1024 * 1024


class Model:
    """Answers each connection's requests in order."""

    def __init__(self) -> None:
        self._delay_s = 0.0
        self._calls: list[tuple[float, float]] = []
        self._under_way = 0
        self._released = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                arrived = time.monotonic()
                method, path, _ = head.split(" ", 2)
                if method == "POST":
                    await self._answer(head, arrived, reader, writer)
                else:
                    await _send(writer, self._ask(path))
        writer.close()

    async def _answer(
        self, head: str, arrived: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._under_way += 1
        try:
            length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
            await reader.readexactly(int(length.partition(":")[2]))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._released.wait(), self._delay_s) if self._delay_s else None
            await _send(writer, ANSWER)
        finally:
            self._under_way -= 1
        self._calls.append((arrived, time.monotonic()))

    def _ask(self, path: str) -> object:
        if path.startswith("/delay/"):
            self._delay_s = float(path.removeprefix("/delay/"))
            self._released.set()
            self._released = asyncio.Event()
        return {"calls": self._calls, "under_way": self._under_way}


async def _send(writer: asyncio.StreamWriter, answer: object) -> None:
    content = json.dumps(answer).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()


async def main() -> None:
    server = await asyncio.start_server(Model().serve, "127.0.0.1", 0, limit=BUFFER)
    print(json.dumps(server.sockets[0].getsockname()[1]), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
