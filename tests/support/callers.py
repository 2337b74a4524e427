"""Keys for tests, made and changed by the service's own collection, and clients that hold them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import httpx

from app.db.client import async_client, async_database
from app.db.collections.keys import Keys
from app.domain.keys import NewKey, Scope
from tests.support.api import RunningApi

T = TypeVar("T")


@dataclass
class KeyMaker:
    """The operator of one test's database."""

    mongo_url: str
    mongo_db: str

    def do(self, work: Callable[[Keys], Awaitable[T]]) -> T:
        async def connected() -> T:
            async with async_client(self.mongo_url) as client:
                return await work(Keys(async_database(client, self.mongo_db)))

        return asyncio.run(connected())

    def make(
        self, owner: str = "ann", scope: Scope = Scope.WRITE, expires_at: datetime | None = None
    ) -> NewKey:
        return self.do(lambda keys: keys.create(f"of {owner}", owner, scope, expires_at))

    def revoke(self, key: NewKey) -> None:
        assert self.do(lambda keys: keys.revoke(key.key_id))


def bearer(key: NewKey | str) -> dict[str, str]:
    return {"authorization": f"Bearer {key if isinstance(key, str) else key.text}"}


def as_caller(api: RunningApi, key: NewKey) -> RunningApi:
    """The same API, asked with this key."""
    client = httpx.Client(base_url=api.client.base_url, timeout=api.client.timeout, headers=bearer(key))
    return RunningApi(api.app, client, api.port, api.server)


def code_of(answer: httpx.Response) -> str:
    """The code of a problem body, whose form is checked on the way."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    code: str = body["code"]
    return code
