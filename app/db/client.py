"""Connections to MongoDB: one factory for the async API, one for the worker's threads.

Opened in the API's lifespan or inside a job (a forked process must not inherit one), never at import.
"""

from typing import Any, Final

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database

Record = dict[str, Any]
OPTIONS: Final[dict[str, Any]] = {
    "appname": "full-rag",
    "tz_aware": True,
    "connectTimeoutMS": 3_000,
    "serverSelectionTimeoutMS": 3_000,
    "socketTimeoutMS": 20_000,
    "heartbeatFrequencyMS": 2_000,
    "retryWrites": False,
    "retryReads": True,
}
"""Writes are not retried by the driver: each is conditional, and read back when its reply is lost."""

CODEC: Final[CodecOptions[Record]] = CodecOptions(document_class=dict, tz_aware=True)


def async_client(url: str, max_pool: int = 50) -> AsyncMongoClient[Record]:
    return AsyncMongoClient(url, maxPoolSize=max_pool, **OPTIONS)


def sync_client(url: str, max_pool: int = 8) -> MongoClient[Record]:
    return MongoClient(url, maxPoolSize=max_pool, **OPTIONS)


def async_database(client: AsyncMongoClient[Record], name: str) -> AsyncDatabase[Record]:
    return client.get_database(name, codec_options=CODEC)


def sync_database(client: MongoClient[Record], name: str) -> Database[Record]:
    return client.get_database(name, codec_options=CODEC)
