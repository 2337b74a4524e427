"""What belongs to a document as bytes: the file that was uploaded, and pictures of its pages.

Pictures, the small ones too, were made and stored by the worker: this process opens no document.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

from bson import ObjectId
from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response, StreamingResponse

from app.api.dependencies import FileId, Opened, Owner, Services
from app.api.disposition import attachment
from app.api.etag import matches, tag_of
from app.api.ids import DOCUMENT
from app.api.looking import found
from app.api.schemas import problems
from app.db.client import Record
from app.domain.errors import Conflict, NotFound
from app.domain.file import page_key, thumb_key
from app.domain.status import Status
from app.storage.base import Storage

router = APIRouter(tags=["documents"])
PRIVATE: Final = "private, no-cache"
FEW_MINUTES: Final = "private, max-age=600"
STILL_SAVING: Final = "The document is still being received. Wait for the upload's answer, then try again."
TAG_NAMES: Final = "The `ETag` of an earlier answer"
UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "The caller has it already"}}
BYTES: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
ORIGINAL: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file, byte for byte, to be saved under its name",
        "content": {"application/pdf": BYTES},
        "headers": {
            "Content-Disposition": {
                "schema": {"type": "string"},
                "description": "`attachment` with the name (RFC 6266, RFC 8187)",
            },
            "ETag": {"schema": {"type": "string"}, "description": "The SHA-256 of the content"},
        },
    }
}
PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The page as JPEG", "content": {"image/jpeg": BYTES}}
}


@router.get(
    DOCUMENT + "/file",
    summary="The uploaded file",
    description="Kept until the document is deleted or past its retention, failed or not.",
    responses=ORIGINAL
    | UNCHANGED
    | problems(404, s409="still_saving", s503="unavailable, storage_unavailable"),
    response_class=StreamingResponse,
)
async def read_original(
    file_id: FileId,
    services: Opened,
    owner: Owner,
    if_none_match: Annotated[str | None, Header(description=TAG_NAMES)] = None,
) -> Response:
    record = await found(services, file_id, owner)
    if record["status"] == Status.SAVING:
        raise Conflict(STILL_SAVING, code="still_saving")
    headers = {"etag": f'"{record["sha256"]}"', "cache-control": PRIVATE}
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    blocks = await _begun(services.storage, record["blob"])
    if blocks is None:
        raise NotFound("The file of this document is gone from the storage. Upload it again.")
    headers |= {
        "content-disposition": attachment(record["name"]),
        "content-length": str(record["size"]),
    }
    kind = record.get("content_type") or "application/octet-stream"
    return StreamingResponse(blocks, headers=headers, media_type=kind)


@router.get(
    DOCUMENT + "/pages/{n:smallint}",
    summary="A page as a picture",
    description="What the reader saw. `size=thumb` is a small one for lists.",
    responses=PICTURE | UNCHANGED | problems(404, s503="unavailable, storage_unavailable"),
    response_class=Response,
)
async def read_page(
    file_id: FileId,
    n: Annotated[int, Path(ge=1, le=999_999, description="Counted from 1")],
    services: Opened,
    owner: Owner,
    size: Annotated[Literal["full", "thumb"], Query(description="How large")] = "full",
    if_none_match: Annotated[str | None, Header(description=TAG_NAMES)] = None,
) -> Response:
    record = await found(services, file_id, owner)
    jpeg = await _picture(services, file_id, n, size)
    if jpeg is None:
        raise NotFound(_no_page(record, n))
    headers = {"etag": tag_of(jpeg), "cache-control": FEW_MINUTES}
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(jpeg, headers=headers, media_type="image/jpeg")


async def _picture(services: Services, file_id: ObjectId, n: int, size: str) -> bytes | None:
    """A page without a small picture is shown by its large one."""
    keys = [thumb_key(file_id, n)] if size == "thumb" else []
    for key in (*keys, page_key(file_id, n)):
        blocks = await _begun(services.storage, key)
        if blocks is not None:
            return b"".join([block async for block in blocks])
    return None


async def _begun(storage: Storage, key: str) -> AsyncIterator[bytes] | None:
    """The object's blocks, the first of them read: what is not there is known before the answer begins."""
    blocks = storage.read(key)
    try:
        first = await anext(blocks)
    except (KeyError, StopAsyncIteration):
        return None

    async def all_of_them() -> AsyncIterator[bytes]:
        yield first
        async for block in blocks:
            yield block

    return all_of_them()


def _no_page(record: Record, n: int) -> str:
    pages = record.get("pages")
    if pages is None:
        return f"There is no page {n} yet. Pages can be seen once they are converted: see `progress`."
    return f"There is no page {n}: the document has {pages}."
