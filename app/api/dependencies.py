"""What the routes are given: the process's services, and who is asking."""

from dataclasses import dataclass
from typing import Annotated, Protocol

from bson import ObjectId
from fastapi import Depends, Path, Request

from app.api.auth import ScopeMissing
from app.api.liveness import Liveness
from app.api.opening import Opening
from app.api.positions import Positions
from app.api.watch import Watch
from app.config import ApiSettings
from app.db.collections.batches import Batches
from app.db.collections.catalogue import Catalogue
from app.db.collections.deliveries import Deliveries
from app.db.collections.endpoints import Endpoints
from app.db.collections.files import Files
from app.domain.keys import Caller, Scope
from app.intake.ringing import Bell
from app.intake.submit import Intake
from app.storage.base import Storage


class Doorbell(Bell, Protocol):
    """`app.queue.q.Doorbell`, as far as HTTP needs it."""

    async def alive_workers_async(self) -> int | None: ...

    async def ping_async(self) -> bool: ...


@dataclass(frozen=True)
class Services:
    """Made once a process, in the lifespan."""

    settings: ApiSettings
    files: Files
    batches: Batches
    catalogue: Catalogue
    endpoints: Endpoints
    deliveries: Deliveries
    storage: Storage
    doorbell: Doorbell
    intake: Intake
    liveness: Liveness
    opening: Opening
    positions: Positions
    watch: Watch


async def services(request: Request) -> Services:
    made: Services = request.app.state.services
    return made


async def open_services(request: Request) -> Services:
    """The services, once the database and the storage are known to belong together; else 503."""
    made = await services(request)
    made.opening.check()
    return made


async def current_owner(request: Request) -> str:
    """Whose documents this caller may see: what the gate (`app.api.access`) found out."""
    caller: Caller = request.scope["state"]["caller"]
    return caller.owner


async def writing_owner(request: Request) -> str:
    """`current_owner`, for reading what a key of scope read may not see."""
    caller: Caller = request.scope["state"]["caller"]
    if not caller.scope.allows(Scope.WRITE):
        raise ScopeMissing(Scope.WRITE)
    return caller.owner


async def admin_owner(request: Request) -> str:
    """`current_owner`, for what needs a key of scope admin."""
    caller: Caller = request.scope["state"]["caller"]
    if not caller.scope.allows(Scope.ADMIN):
        raise ScopeMissing(Scope.ADMIN)
    return caller.owner


async def file_id_of(
    file_id: Annotated[
        str, Path(description="The `file_id` that the upload answered", pattern="^[0-9a-f]{24}$")
    ],
) -> ObjectId:
    return ObjectId(file_id)


AnyTime = Annotated[Services, Depends(services)]
Opened = Annotated[Services, Depends(open_services)]
Owner = Annotated[str, Depends(current_owner)]
WritingOwner = Annotated[str, Depends(writing_owner)]
AdminOwner = Annotated[str, Depends(admin_owner)]
FileId = Annotated[ObjectId, Depends(file_id_of)]
