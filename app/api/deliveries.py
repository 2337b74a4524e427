"""One document's webhook deliveries: who was told of its end, what they answered, and once more."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from app.api.dependencies import FileId, Opened, Owner, Services
from app.api.ids import DOCUMENT
from app.api.schemas import problems
from app.api.views import json_response
from app.api.webhook_views import DeliveryList, DeliveryView, delivery_view
from app.db.client import Record
from app.domain.errors import NotFound

router = APIRouter(tags=["webhooks"])
Number = Annotated[int, Path(ge=1, le=999_999, description="Its `n` in the list, from 1")]


@router.get(
    DOCUMENT + "/deliveries",
    summary="The document's webhook deliveries with each attempt",
    responses=problems(404, 503) | {200: {"model": DeliveryList}},
)
async def list_deliveries(file_id: FileId, services: Opened, owner: Owner) -> Response:
    found = await _deliveries(file_id, services, owner)
    return json_response({"deliveries": [{"n": n, **delivery_view(one)} for n, one in enumerate(found, 1)]})


@router.post(
    DOCUMENT + "/deliveries/{n:smallint}/redeliver",
    status_code=202,
    summary="Send an event once more",
    description="At once, with the same `webhook-id` and all attempts anew.",
    responses=problems(404, 503) | {202: {"model": DeliveryView}},
)
async def redeliver(file_id: FileId, n: Number, services: Opened, owner: Owner) -> Response:
    found = await _deliveries(file_id, services, owner)
    if not 1 <= n <= len(found):
        raise NotFound(f"There is no delivery {n}. GET /{file_id}/deliveries lists those there are.")
    delivery_id = found[n - 1]["_id"]
    await services.deliveries.redeliver(delivery_id, owner)  # one that is under way is the redelivery
    shown = await services.deliveries.find(delivery_id, owner)
    return json_response(delivery_view(shown or found[n - 1]), 202)


async def _deliveries(file_id: FileId, services: Services, owner: str) -> list[Record]:
    if await services.files.find(file_id, owner) is None:
        raise NotFound()
    return await services.deliveries.of_file(file_id, owner)
