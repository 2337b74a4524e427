"""The waiting side, a process of its own: many clients on event streams, as many on `Prefer: wait`.

Reads {"port", "ids", "each", "patience_s", "to"}; says "waiting" when all wait, then, when all know the end
(or the patience is over), {"open": clients without an end, "broken": broken answers}. [kind, id, time] of
each end is in the file `to`: too much for one line through a pipe.
HTTP/1.0, so that no answer is chunked.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

ENDED = (b'"status":"api call done"', b'"status":"failed"', b'"status":"cancelled"')
PAUSE_S = 0.05
AT_ONCE = 50
"""Connections that are being opened at the same time."""
SETTLE_S = 2.0


class Crowd:
    """All clients of one run."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._opening = asyncio.Semaphore(AT_ONCE)
        self.began: set[tuple[str, str, int]] = set()
        self.ends: list[tuple[str, str, float]] = []
        self.broken: Counter[str] = Counter()

    async def client(self, kind: str, file_id: str, number: int) -> None:
        once = self._follow if kind == "events" else self._ask
        last: list[bytes] = []
        while not await self._unbroken(once, kind, file_id, number, last):
            await asyncio.sleep(PAUSE_S)

    async def _unbroken(self, once: Any, kind: str, file_id: str, number: int, last: list[bytes]) -> bool:
        try:
            async with self._opening:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            self.broken[f"{kind}: no connection"] += 1
            return False
        try:
            if await once(reader, writer, file_id, (kind, file_id, number), last):
                self.ends.append((kind, file_id, time.time()))
                return True
        except (OSError, asyncio.IncompleteReadError) as error:
            self.broken[f"{kind}: {type(error).__name__}"] += 1
        finally:
            writer.close()
        return False

    async def _follow(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        file_id: str,
        me: tuple[str, str, int],
        last: list[bytes],
    ) -> bool:
        resumed = b"Last-Event-ID: %b\r\n" % last[0] if last else b""
        writer.write(b"GET /%b/events HTTP/1.0\r\n%b\r\n" % (file_id.encode(), resumed))
        if b" 200 " not in await reader.readline():
            self.broken["events: not 200"] += 1
            return False
        if last:
            self.began.add(me)
        while line := await reader.readline():
            if line.startswith(b"id: "):
                last[:] = [line[4:].strip()]
                self.began.add(me)
            elif line.startswith(b"data: ") and any(status in line for status in ENDED):
                return True
        return False

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        file_id: str,
        me: tuple[str, str, int],
        _: list[bytes],
    ) -> bool:
        writer.write(b"GET /%b HTTP/1.0\r\nPrefer: wait=50\r\n\r\n" % file_id.encode())
        await writer.drain()
        self.began.add(me)
        head, _end, body = (await reader.read()).partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            self.broken["wait: not 200"] += 1
            return False
        return any(status in body for status in ENDED)


async def run(task: dict[str, Any]) -> dict[str, Any]:
    crowd, ids = Crowd(task["port"]), task["ids"]
    clients = [
        asyncio.create_task(crowd.client(kind, ids[n % len(ids)], n))
        for n in range(task["each"])
        for kind in ("events", "wait")
    ]
    while len(crowd.began) < len(clients):
        await asyncio.sleep(PAUSE_S)
    await asyncio.sleep(SETTLE_S)
    print(json.dumps("waiting"), flush=True)
    _, left = await asyncio.wait(clients, timeout=task["patience_s"])
    for client in left:
        client.cancel()
    Path(task["to"]).write_text(json.dumps(crowd.ends), encoding="ascii")
    return {"open": len(left), "broken": dict(crowd.broken)}


def main() -> None:
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(uvloop.run(run(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
