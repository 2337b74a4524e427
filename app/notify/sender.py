"""One attempt of one delivery: who signs, what is sent, and what the answer means."""

import time
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from app.db.client import Record
from app.db.collections.endpoints import Endpoints, live_secrets
from app.db.collections.outbox import Outbox
from app.db.transitions.notify import UPLOAD
from app.notify.guarded_client import GuardedClient, HttpAnswer, RequestFailed
from app.notify.message import body_of, data_of, headers_of
from app.notify.schedule import retry_after_s

ANSWER_SHOWN: Final = 200


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. `final` means that no other may follow, for `reason`."""

    log: dict[str, Any]
    ok: bool = False
    final: bool = False
    reason: str | None = None
    retry_after_s: float | None = None


class Sender:
    """Makes attempts; knows nothing of leases, lanes and schedules."""

    def __init__(self, client: GuardedClient, endpoints: Endpoints, outbox: Outbox, public_url: str) -> None:
        self._client = client
        self._endpoints = endpoints
        self._outbox = outbox
        self._public_url = public_url

    async def attempt(self, delivery: Record, now: datetime) -> Outcome:
        """Send it once. Database errors are raised: nobody knows then what came of it."""
        signer = await self._signer(delivery)
        if signer is None or not signer.get("enabled", True):
            reason = "endpoint_removed" if signer is None else "endpoint_disabled"
            return Outcome({"error": reason, "duration_ms": 0}, final=True, reason=reason)
        body = body_of(delivery["event"], data_of(delivery, await self._name(delivery), self._public_url))
        headers = headers_of(delivery["event"]["id"], body, live_secrets(signer, now), now)
        began = time.monotonic()
        try:
            answer = await self._client.post(delivery["url"], headers, body, lane=delivery["owner"])
        except RequestFailed as error:
            return Outcome({"error": error.code, "duration_ms": _since(began)})
        outcome = await self._judge(delivery, answer, now)
        outcome.log["duration_ms"] = _since(began)
        return outcome

    async def _signer(self, delivery: Record) -> Record | None:
        if delivery["endpoint"] == UPLOAD:
            return await self._endpoints.of_uploads(delivery["owner"])
        return await self._endpoints.find(delivery["endpoint"], delivery["owner"])

    async def _name(self, delivery: Record) -> str | None:
        return await self._outbox.name_of(delivery["file_id"]) if "file_id" in delivery else None

    async def _judge(self, delivery: Record, answer: HttpAnswer, now: datetime) -> Outcome:
        log = {"status": answer.status, "answer": _shown(answer.body)}
        if answer.ok:
            return Outcome(log, ok=True)
        if answer.status == HTTPStatus.GONE:
            if delivery["endpoint"] != UPLOAD:
                await self._endpoints.enable(delivery["endpoint"], delivery["owner"], False, "gone")
            return Outcome(log, final=True, reason="gone")
        return Outcome(log, retry_after_s=retry_after_s(answer.headers.get("retry-after"), now))


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _shown(body: bytes) -> str:
    """The beginning of an answer as a line that can be shown: no control characters."""
    text = body[: ANSWER_SHOWN * 4].decode("utf-8", "replace")[:ANSWER_SHOWN]
    return "".join(c if c.isprintable() else " " for c in text)
