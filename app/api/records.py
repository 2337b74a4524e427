"""`GET /files`: the owner's documents, newest first, page by page."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BeforeValidator
from starlette.datastructures import QueryParams
from starlette.responses import Response

from app.api import cursor as places
from app.api.dependencies import Opened, Owner
from app.api.schemas import EXAMPLE_ID, FileList, problems
from app.api.views import json_response, light_view
from app.db.collections.catalogue import Filter
from app.domain.errors import DomainError
from app.domain.metadata import KEY, MAX_PAIRS, MAX_VALUE
from app.domain.status import Status

router = APIRouter(tags=["documents"])
MAX_PAGE: Final = 200
METADATA: Final = "metadata."
DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
KNOWN: Final = frozenset({"status", "name", "created_after", "created_before", "batch_id", "limit", "cursor"})
BY_METADATA: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "metadata",
            "in": "query",
            "required": False,
            "style": "form",
            "explode": True,
            "description": "Only documents whose `metadata` has this value under this key, as in "
            "`metadata.applicant=4711`; may be given for several keys",
            "schema": {
                "type": "object",
                "patternProperties": {
                    rf"^metadata\.{KEY.pattern}$": {"type": "string", "maxLength": MAX_VALUE}
                },
                "additionalProperties": False,
                "maxProperties": MAX_PAIRS,
            },
        }
    ]
}
PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": FileList,
        "description": "One page; `result` and `data` are left out",
        "headers": {
            "Link": {
                "schema": {"type": "string"},
                "description": 'The next page, `<…>; rel="next"`; none after the last',
            }
        },
    }
}


def _refuse_number(text: str) -> str:
    """A number would be read as seconds or milliseconds, by its size."""
    if not DATE.match(text):
        raise ValueError("a date and a time are expected")
    return text


NOT_A_NUMBER: Final = BeforeValidator(_refuse_number)


class InvalidQuery(DomainError):
    code = "invalid_request"


@router.get(
    "/files",
    summary="Your documents, newest first",
    description='Follow `Link: rel="next"` (or `next_cursor`) until there is none: every document that was '
    "there at the beginning comes once, whatever is uploaded meanwhile.",
    responses=PAGE | problems(503, s422="invalid_request (an unknown parameter, a cursor that is not ours)"),
    openapi_extra=BY_METADATA,
)
async def list_files(
    request: Request,
    services: Opened,
    owner: Owner,
    status: Annotated[Status | None, Query(description="Only those with this status")] = None,
    name: Annotated[
        str | None, Query(max_length=255, description="Only those whose name holds this, in any case")
    ] = None,
    created_after: Annotated[
        datetime | None,
        NOT_A_NUMBER,
        Query(
            description="Only those created later; UTC unless it says otherwise",
            examples=["2026-01-31T09:00:00Z"],
        ),
    ] = None,
    created_before: Annotated[
        datetime | None, NOT_A_NUMBER, Query(description="Only those created earlier")
    ] = None,
    batch_id: Annotated[
        str | None, Query(max_length=64, description="Only those of this batch", examples=[EXAMPLE_ID])
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many on a page")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=100, description="`next_cursor` of the page before")
    ] = None,
) -> Response:
    wanted = Filter(
        status=str(status) if status else None,
        name=name,
        created_after=_in_utc(created_after),
        created_before=_in_utc(created_before),
        batch_id=batch_id,
        metadata=_metadata(request.query_params),
    )
    after = places.read(cursor) if cursor is not None else None
    found = await services.catalogue.page(owner, wanted, limit + 1, after)
    following = None
    if len(found) > limit:
        last = found[limit - 1]
        following = places.written(last["created_at"], last["_id"])
    body = {"files": [light_view(one) for one in found[:limit]], "next_cursor": following}
    return json_response(body, headers=_link(request.query_params, following))


def _link(asked: QueryParams, following: str | None) -> dict[str, str]:
    if following is None:
        return {}
    parameters = [(name, value) for name, value in asked.multi_items() if name != "cursor"]
    return {"link": f'</files?{urlencode([*parameters, ("cursor", following)])}>; rel="next"'}


def _metadata(asked: QueryParams) -> dict[str, str]:
    """The pairs that are asked for. A parameter that nobody knows would silently list too much."""
    wanted: dict[str, str] = {}
    for name, value in asked.multi_items():
        key = name.removeprefix(METADATA)
        if name.startswith(METADATA) and KEY.fullmatch(key) and key not in wanted and len(wanted) < MAX_PAIRS:
            wanted[key] = value
        elif name not in KNOWN:
            raise InvalidQuery(
                "A query parameter is unknown or given twice. Known are "
                f"{', '.join(sorted(KNOWN))} and metadata.KEY (KEY of letters, digits, _ and -)."
            )
    return wanted


def _in_utc(moment: datetime | None) -> datetime | None:
    """UTC is also what a time without a zone is taken for."""
    if moment is None or moment.tzinfo is None:
        return moment and moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidQuery("A time lies, in UTC, outside of the years 1 to 9999. Send another one.") from None
