"""MongoDB goes away at the worst moments: nothing is half-accepted, nothing accepted is lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from bson import ObjectId
from pydantic import SecretStr
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import AutoReconnect

from app.config import ApiSettings
from app.db.client import Record
from app.db.collections.files import Files
from app.embedded import EmbeddedMongo
from tests.support.api import RunningApi, files_under, running_api, wait_until
from tests.support.raw import OPENING, chunk, connection
from tests.support.stores import Records


class Faulty(Files):
    """The real collection, whose replies are lost at the steps named in `lost`.

    `before`: the command never arrived; `after`: it was carried out, its reply was lost.
    """

    def __init__(self, database: AsyncDatabase[Record]) -> None:
        super().__init__(database)
        self.lost: dict[str, str] = {}

    def _lose(self, step: str, when: str) -> None:
        if self.lost.get(step) == when:
            raise AutoReconnect("lost")

    async def insert_saving(self, *args: Any, **more: Any) -> None:
        self._lose("insert_saving", "before")
        await super().insert_saving(*args, **more)
        self._lose("insert_saving", "after")

    async def accept(self, *args: Any, **more: Any) -> bool:
        self._lose("accept", "before")
        stored = await super().accept(*args, **more)
        self._lose("accept", "after")
        return stored

    async def discard_upload(self, *args: Any, **more: Any) -> bool:
        self._lose("discard_upload", "before")
        gone = await super().discard_upload(*args, **more)
        self._lose("discard_upload", "after")
        return gone

    async def state_of(self, file_id: ObjectId) -> Record | None:
        self._lose("state_of", "before")
        return await super().state_of(file_id)


@pytest.fixture
def faulty(api: RunningApi) -> Iterator[Faulty]:
    files = api.services.files
    made = Faulty(files._database)
    api.services.intake.files = made
    yield made


def test_a_lost_reply_to_the_acceptance_is_read_back_and_the_upload_is_accepted(
    api: RunningApi, faulty: Faulty, records: Records, kept: Path
) -> None:
    faulty.lost = {"accept": "after"}
    answer = api.upload()
    assert answer.status_code == 202
    record = records.find_one() or {}
    assert record["status"] == "queued"
    assert (kept / record["blob"]).is_file()


def test_an_acceptance_that_never_arrived_is_503_and_leaves_nothing(
    api: RunningApi, faulty: Faulty, records: Records, kept: Path
) -> None:
    faulty.lost = {"accept": "before"}
    answer = api.upload()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert records.count_documents({}) == 0
    assert files_under(kept) == []


def test_while_nobody_knows_whether_it_was_accepted_its_bytes_stay(
    api: RunningApi, faulty: Faulty, records: Records, kept: Path
) -> None:
    faulty.lost = {"accept": "after", "state_of": "before"}
    assert api.upload().status_code == 503
    record = records.find_one() or {}
    assert record["status"] == "queued"
    assert (kept / record["blob"]).is_file()


def test_a_refused_uploads_bytes_stay_until_its_record_is_surely_gone(
    api: RunningApi, faulty: Faulty, records: Records, kept: Path
) -> None:
    faulty.lost = {"accept": "before", "discard_upload": "before"}
    assert api.upload().status_code == 503
    record = records.find_one() or {}
    assert record["status"] == "saving"
    assert files_under(kept) != []


def test_a_record_whose_insert_lost_its_reply_is_removed(
    api: RunningApi, faulty: Faulty, records: Records, kept: Path
) -> None:
    faulty.lost = {"insert_saving": "after"}
    assert api.upload().status_code == 503
    assert records.count_documents({}) == 0
    assert files_under(kept) == []


def test_the_api_starts_without_mongodb_and_serves_when_it_comes(
    tmp_path: Path, settings: ApiSettings
) -> None:
    with EmbeddedMongo(tmp_path / "mongo") as mongo:
        url = mongo.url
        mongo.stop()
        with running_api(settings.model_copy(update={"mongo_url": SecretStr(url)})) as api:
            assert api.client.get("/health/live").status_code == 200
            readiness = api.client.get("/health/ready")
            assert readiness.status_code == 503
            assert readiness.json()["checks"]["mongodb"]["ok"] is False
            refused = api.upload()
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
            assert refused.headers["retry-after"] == "2"
            mongo.start()
            wait_until(lambda: api.client.get("/health/ready").status_code == 200)
            assert api.upload().status_code == 202
            with pymongo.MongoClient[dict[str, Any]](url) as client:
                assert "idempotency" in client[settings.mongo_db].files.index_information()


def test_mongodb_goes_away_in_the_middle_of_an_upload_and_comes_back(
    tmp_path: Path, settings: ApiSettings
) -> None:
    with EmbeddedMongo(tmp_path / "mongo") as mongo:
        own = settings.model_copy(update={"mongo_url": SecretStr(mongo.url)})
        with running_api(own) as api:
            first = api.upload().json()["file_id"]
            with connection(api) as sock:
                sock.sendall(chunk(OPENING))
                with pymongo.MongoClient[dict[str, Any]](mongo.url) as client:
                    files = client[own.mongo_db].files
                    wait_until(lambda: files.count_documents({"status": "saving"}) == 1)
                mongo.kill()
                during = api.upload()
                read = api.client.get(f"/{first}")
            assert {during.status_code, read.status_code} == {503}
            mongo.restart()
            wait_until(lambda: api.client.get(f"/{first}").status_code == 200)
            wait_until(lambda: api.upload().status_code == 202)
