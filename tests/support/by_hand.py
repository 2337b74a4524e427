"""A worker that needs no worker: it writes into the records what one would have written, and says so."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
import redis
from bson import ObjectId

from app.queue.announce import CHANNEL

Ending = Callable[[dict[str, Any]], dict[str, Any]]
RESULT = "# Ann Lee\n\nA résumé."


def well(record: dict[str, Any]) -> dict[str, Any]:
    """Fields of a document that went well."""
    return {"status": "api call done", "result": RESULT, "pages": 1, "data": {"name": "Ann Lee"}}


def badly(record: dict[str, Any]) -> dict[str, Any]:
    error = {"code": "encrypted", "message": "It has a password.\x1b[2J", "retryable": False}
    return {"status": "failed", "error": error}


class ByHand:
    """Over one test's database and Valkey."""

    def __init__(self, mongo_url: str, mongo_db: str, valkey_url: str) -> None:
        self._mongo: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(mongo_url)
        self._valkey = redis.Redis.from_url(valkey_url)
        self.files = self._mongo[mongo_db].files

    def change(self, file_id: str, **fields: Any) -> None:
        self.files.update_one({"_id": ObjectId(file_id)}, {"$set": fields, "$inc": {"revision": 1}})
        self._valkey.publish(CHANNEL, file_id)

    @contextmanager
    def working(self, ending: Ending = well) -> Iterator[None]:
        """Every queued document ends so, until the block does."""
        over = threading.Event()

        def work() -> None:
            while not over.wait(0.05):
                for record in self.files.find({"status": "queued"}):
                    progress = {"stage": "converting", "pages_done": 0, "pages_total": 1}
                    self.change(str(record["_id"]), status="processing", progress=progress)
                    self.change(str(record["_id"]), **ending(record))

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def close(self) -> None:
        self._mongo.close()
        self._valkey.close()
