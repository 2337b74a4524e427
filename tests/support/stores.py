"""Fixtures of the API's tests: settings for the session's servers, the records, the kept files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.collection import Collection

from app.config import ApiSettings
from tests.support.api import RunningApi, running_api, settings_for

Records = Collection[dict[str, Any]]


@pytest.fixture
def settings(tmp_path: Path, mongo_url: str, mongo_db: str, valkey_url: str) -> ApiSettings:
    return settings_for(tmp_path, mongo_url, mongo_db, valkey_url)


@pytest.fixture
def api(settings: ApiSettings) -> Iterator[RunningApi]:
    with running_api(settings) as running:
        yield running


@pytest.fixture
def records(mongo_url: str, mongo_db: str) -> Iterator[Records]:
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        yield client[mongo_db].files


@pytest.fixture
def kept(settings: ApiSettings) -> Path:
    return Path(settings.storage_url)


@pytest.fixture
def batches(mongo_url: str, mongo_db: str) -> Iterator[Records]:
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        yield client[mongo_db].batches
