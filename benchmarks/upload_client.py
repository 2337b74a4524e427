"""The uploading side, a process of its own: raw sockets and one prepared body, so that it is no bottleneck.

Reads {"port", "path", "size", "clients", "each"} and answers {"seconds", "milliseconds": […]}.
"""

import asyncio
import json
import socket
import sys
import time
from typing import Any

import uvloop

from benchmarks.documents import BOUNDARY, body

READ = 65_536


def request(path: str, content: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    )
    return head.encode() + content


async def upload_again_and_again(port: int, sent: memoryview, times: int) -> list[float]:
    """One client with one connection; how long each upload took, in seconds."""
    loop = asyncio.get_running_loop()
    took = []
    with socket.socket() as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(connection, ("127.0.0.1", port))
        for _ in range(times):
            began = time.perf_counter()
            await loop.sock_sendall(connection, sent)
            await answered(connection)
            took.append(time.perf_counter() - began)
    return took


async def answered(connection: socket.socket) -> None:
    """Read one whole answer; anything but a 2xx ends the run."""
    loop = asyncio.get_running_loop()
    got = b""
    while b"\r\n\r\n" not in got:
        got += await received(loop, connection)
    head, _, content = got.partition(b"\r\n\r\n")
    if b" 2" not in head.split(b"\r\n")[0]:
        raise RuntimeError(got.decode(errors="replace")[:500])
    lengths = [
        line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    ]
    left = int(lengths[0]) - len(content)
    while left > 0:
        left -= len(await received(loop, connection))


async def received(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bytes:
    data = await loop.sock_recv(connection, READ)
    if not data:
        raise RuntimeError("the server closed the connection")
    return data


async def run(task: dict[str, Any], content: bytes) -> dict[str, Any]:
    sent = memoryview(request(task["path"], content))
    began = time.perf_counter()
    took = await asyncio.gather(
        *(upload_again_and_again(task["port"], sent, task["each"]) for _ in range(task["clients"]))
    )
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "milliseconds": [one * 1000 for each in took for one in each]}


def main() -> None:
    bodies: dict[int, bytes] = {}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        size = task["size"]
        bodies.setdefault(size, body(size))
        print(json.dumps(uvloop.run(run(task, bodies[size]))), flush=True)


if __name__ == "__main__":
    main()
