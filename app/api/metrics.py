"""`GET /metrics`: for a collector beside the service, and for nobody else.

No key is asked for, so it looks at who holds the connection, and at nothing that a request says of
itself. What came through a proxy came from elsewhere: nginx does not route here, another one may.
"""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from prometheus_client.exposition import choose_encoder
from starlette.responses import Response

from app.api.dependencies import AnyTime
from app.api.error_handlers import NOTHING_HERE
from app.api.instruments import Instruments
from app.api.schemas import problems
from app.domain.client_address import comes_from
from app.domain.errors import NotFound

router = APIRouter(tags=["health"])
TEXT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": {}}, "description": "Prometheus' text format"}
}
FORWARDED: Final = ("x-forwarded-for", "forwarded", "via")


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    description="Answered to the networks of `METRICS_ALLOW` alone, by the connection's address.",
    responses=TEXT | problems(s404="not_found: the connection comes from elsewhere"),
)
async def metrics(request: Request, services: AnyTime) -> Response:
    peer = request.client.host if request.client else None
    by_proxy = any(name in request.headers for name in FORWARDED)
    if by_proxy or not comes_from(peer, services.settings.metrics_networks):
        raise NotFound(NOTHING_HERE)
    instruments: Instruments = request.app.state.instruments
    await instruments.snapshot.look()
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    # In a thread: the size of a disk that hangs must not stop the loop.
    shown = await asyncio.to_thread(encode, instruments.registry)
    return Response(shown, headers={"cache-control": "no-store", "content-type": content_type})
