"""Webhooks of an owner: endpoints that hear every event, the secrets that sign, a test.

Nothing is sent from here: what is to be sent is written down and the maintenance process sends it.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.responses import Response

from app.api.dependencies import AdminOwner, Opened, Owner, Services, WritingOwner
from app.api.ids import ENDPOINT, EndpointId
from app.api.schemas import problems
from app.api.views import json_response
from app.api.webhook_views import (
    DeliveryView,
    EndpointList,
    EndpointView,
    EndpointWithSecret,
    NewEndpoint,
    SecretView,
    TestWish,
    delivery_view,
    endpoint_view,
    secret_view,
)
from app.db.client import Record
from app.db.collections.endpoints import MAX_ENDPOINTS
from app.db.transitions.notify import UPLOAD, Target, new_delivery
from app.domain.errors import Conflict, DomainError, NotFound
from app.domain.event import EventType, new_event_id
from app.domain.webhook_url import InvalidWebhookUrl, lane_of, parse_webhook_url

router = APIRouter(tags=["webhooks"])
DeliveryId = Annotated[str, Path(description="The delivery's `id`")]
SHOWN: Final[dict[int | str, dict[str, Any]]] = {200: {"model": EndpointView}}
NO_ENDPOINT: Final = "There is no such endpoint. GET /webhooks lists those that you have."
TOO_MANY: Final = f"There are {MAX_ENDPOINTS} endpoints already. Delete one that is not needed any more."
ROTATED: Final = "Another request rotated this secret at the same moment. Look at it before you try again."


@router.post(
    "/webhooks",
    status_code=201,
    summary="Have every event sent to an endpoint",
    description="`secret` verifies what is sent (Standard Webhooks 1.0); keep it, the list does not show it.",
    responses=problems(503, s409="too_many_webhooks", s422="invalid_webhook_url, invalid_request")
    | {201: {"model": EndpointWithSecret}},
)
async def add_endpoint(wish: NewEndpoint, services: Opened, owner: AdminOwner) -> Response:
    _check_url(wish.url, services)
    if len(await services.endpoints.of_owner(owner)) >= MAX_ENDPOINTS:
        raise Conflict(TOO_MANY, code="too_many_webhooks")
    made = await services.endpoints.add(owner, wish.url, [str(event) for event in wish.events])
    headers = {"location": f"/webhooks/{made['_id']}"}
    return json_response(endpoint_view(made) | secret_view(made), 201, headers)


@router.get(
    "/webhooks",
    summary="The endpoints, oldest first",
    responses=problems(503) | {200: {"model": EndpointList}},
)
async def list_endpoints(services: Opened, owner: Owner) -> Response:
    found = await services.endpoints.of_owner(owner)
    return json_response({"endpoints": [endpoint_view(one) for one in found]})


@router.get(ENDPOINT, summary="One endpoint", responses=SHOWN | problems(404, 503))
async def read_endpoint(endpoint_id: EndpointId, services: Opened, owner: Owner) -> Response:
    return json_response(endpoint_view(await _found(endpoint_id, services, owner)))


@router.delete(
    ENDPOINT, status_code=204, summary="Send nothing more to an endpoint", responses=problems(404, 503)
)
async def remove_endpoint(endpoint_id: EndpointId, services: Opened, owner: AdminOwner) -> Response:
    if not await services.endpoints.remove(endpoint_id, owner):
        raise NotFound(NO_ENDPOINT)
    return Response(status_code=204)


@router.post(
    ENDPOINT + "/enable",
    summary="Send to an endpoint again that had answered 410 Gone",
    responses=SHOWN | problems(404, 503),
)
async def enable_endpoint(endpoint_id: EndpointId, services: Opened, owner: AdminOwner) -> Response:
    if not await services.endpoints.enable(endpoint_id, owner, True):
        raise NotFound(NO_ENDPOINT)
    return json_response(endpoint_view(await _found(endpoint_id, services, owner)))


@router.post(
    ENDPOINT + "/rotate",
    summary="Give an endpoint a new secret",
    description="For a day the old one signs beside it.",
    responses=problems(404, 503, s409="rotated_meanwhile") | {200: {"model": EndpointWithSecret}},
)
async def rotate_endpoint(endpoint_id: EndpointId, services: Opened, owner: AdminOwner) -> Response:
    rotated = await _rotated(await _found(endpoint_id, services, owner), services)
    return json_response(endpoint_view(rotated) | secret_view(rotated))


@router.get(
    "/webhook-secret",
    summary="The secret that signs for the `webhook_url` of uploads",
    description="Made when first asked for or needed. Needs a key of scope write.",
    responses=problems(503, s403="scope_missing") | {200: {"model": SecretView}},
)
async def read_secret(services: Opened, owner: WritingOwner) -> Response:
    return json_response(secret_view(await services.endpoints.of_uploads(owner)))


@router.post(
    "/webhook-secret/rotate",
    summary="A new secret for the `webhook_url` of uploads",
    description="For a day the old one signs beside it.",
    responses=problems(503, s409="rotated_meanwhile") | {200: {"model": SecretView}},
)
async def rotate_secret(services: Opened, owner: AdminOwner) -> Response:
    return json_response(secret_view(await _rotated(await services.endpoints.of_uploads(owner), services)))


@router.post(
    "/webhooks/test",
    status_code=202,
    summary="Send a `webhook.test` event to an endpoint or a URL, once",
    description="What came of it is at the address in `Location`.",
    responses=problems(404, 503, s422="invalid_webhook_url, invalid_request")
    | {202: {"model": DeliveryView}},
)
async def send_test(wish: TestWish, services: Opened, owner: Owner) -> Response:
    now = await services.deliveries.now()
    event = {"id": new_event_id(), "type": str(EventType.TEST), "at": now}
    target = await _target(wish, services, owner)
    delivery = new_delivery(event, target, owner, now, max_attempts=1)
    await services.deliveries.add([delivery])
    return json_response(
        delivery_view(delivery), 202, {"location": f"/webhooks/deliveries/{delivery['_id']}"}
    )


@router.get(
    "/webhooks/deliveries/{delivery_id}",
    summary="One delivery with its attempts",
    responses=problems(404, 503) | {200: {"model": DeliveryView}},
)
async def read_delivery(delivery_id: DeliveryId, services: Opened, owner: Owner) -> Response:
    found = await services.deliveries.find(delivery_id, owner)
    if found is None:
        raise NotFound("There is no such delivery. They are kept for as long as documents are.")
    return json_response(delivery_view(found))


async def _found(endpoint_id: str, services: Services, owner: str) -> Record:
    found = await services.endpoints.find(endpoint_id, owner)
    if found is None:
        raise NotFound(NO_ENDPOINT)
    return found


async def _rotated(endpoint: Record, services: Services) -> Record:
    rotated = await services.endpoints.rotate(endpoint)
    if rotated is None:
        raise Conflict(ROTATED, code="rotated_meanwhile")
    return rotated


async def _target(wish: TestWish, services: Services, owner: str) -> Target:
    if (wish.endpoint is None) == (wish.url is None):
        raise DomainError("Name what to test: either `endpoint` or `url`.", code="invalid_request")
    if wish.endpoint is not None:
        endpoint = await _found(wish.endpoint, services, owner)
        return Target(endpoint["_id"], endpoint["url"], endpoint["_id"])
    url = wish.url or ""
    _check_url(url, services)
    return Target(UPLOAD, url, lane_of(owner, url))


def _check_url(url: str, services: Services) -> None:
    try:
        parse_webhook_url(url, services.settings.allowed_targets)
    except InvalidWebhookUrl as error:
        raise InvalidWebhookUrl(error.message.removeprefix("webhook_")) from None
