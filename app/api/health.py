"""Whether the process lives, and whether it can do its work."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header
from starlette.responses import RedirectResponse, Response

from app.api.accept import preferred
from app.api.dependencies import AnyTime, Services
from app.api.schemas import Health, Readiness
from app.api.views import json_response

router = APIRouter(tags=["health"])
PATIENCE_S: Final = 2.0
HEALTHY: Final = {"status": "healthy"}


@router.get(
    "/",
    summary="The service answers",
    description="A browser, which would rather have HTML, is sent to the page at `/ui`.",
    responses={200: {"model": Health}, 307: {"description": "To `/ui`, where `Accept` prefers `text/html`"}},
)
async def root(
    accept: Annotated[str | None, Header(description="`text/html` leads to the page")] = None,
) -> Response:
    if preferred(accept, ("application/json", "text/html")) == "text/html":
        return RedirectResponse("/ui", headers={"vary": "accept"})
    return json_response(HEALTHY, headers={"vary": "accept"})


@router.head("/", include_in_schema=False)
async def root_head() -> Response:
    return json_response(HEALTHY)


@router.get("/health/live", summary="The process answers", responses={200: {"model": Health}})
async def live() -> Response:
    return json_response(HEALTHY)


@router.get(
    "/health/ready",
    summary="Uploads can be accepted",
    description="MongoDB and the storage must answer; Valkey is reported, uploads are accepted without it.",
    responses={200: {"model": Readiness}, 503: {"model": Readiness}},
)
async def ready(services: AnyTime) -> Response:
    mongo, storage, valkey = await asyncio.gather(
        _check(services.files.ping), _check(services.storage.check), _check(lambda: _ring_test(services))
    )
    opened = None if services.opening.done else services.opening.refusal or "waiting for the database"
    checks = {
        "mongodb": _line(mongo, fatal=True),
        "storage": _line(storage, fatal=True),
        "start": _line(opened, fatal=True),
        "valkey": _line(valkey, fatal=False),
    }
    ok = all(check["ok"] or not check["fatal"] for check in checks.values())
    return json_response({"status": "ready" if ok else "not ready", "checks": checks}, 200 if ok else 503)


async def _ring_test(services: Services) -> None:
    if not await services.doorbell.ping_async():
        raise ConnectionError


async def _check(ask: Callable[[], Awaitable[None]]) -> str | None:
    """None when it answered in time, else what to show: a kind, never an internal text."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ask()
    except TimeoutError:
        return "does not answer"
    except Exception:
        return "cannot be reached or used"
    return None


def _line(trouble: str | None, *, fatal: bool) -> dict[str, Any]:
    return {"ok": trouble is None, "fatal": fatal, "detail": trouble}
