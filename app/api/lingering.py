"""Answers a request whose body is still coming so that the client gets to read the answer.

Closing a connection with unread data resets it, and the client sees "connection reset" in place of
"file too large". So: answer at once, read on for a short while, throw it away, then close.
"""

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MAX_S: Final = 5.0
MAX_BYTES: Final = 64 * 1024 * 1024


class LingeringResponse(Response):
    """A response that drains the rest of the request, within bounds, before the connection closes."""

    @classmethod
    def of(cls, response: Response) -> "LingeringResponse":
        made = cls(response.body, response.status_code)
        made.raw_headers = [*response.raw_headers, (b"connection", b"close")]
        return made

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        try:
            async with asyncio.timeout(MAX_S):
                await _drain(receive)
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    drained = 0
    while drained < MAX_BYTES:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
        drained += len(message.get("body", b""))
