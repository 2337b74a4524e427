"""What is sent: thin, the same at every attempt, signed with every live secret."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from bson import ObjectId
from standardwebhooks import Webhook, WebhookVerificationError

from app.db.collections.endpoints import live_secrets, new_secret
from app.notify.message import body_of, data_of, headers_of

AT = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
ID = ObjectId("65f1c0ffee65f1c0ffee65f1")


def test_body_is_the_same_bytes_at_every_attempt() -> None:
    event = {"id": "msg_1", "type": "file.failed", "at": AT}
    delivery = {"event": event, "file_id": ID}
    bodies = {body_of(event, data_of(delivery, "résumé.pdf", "https://rag.example")) for _ in range(2)}
    assert [orjson.loads(body) for body in bodies] == [
        {
            "type": "file.failed",
            "timestamp": "2026-03-01T12:00:00.123Z",
            "data": {
                "id": str(ID),
                "status": "failed",
                "name": "résumé.pdf",
                "result_url": f"https://rag.example/{ID}",
            },
        }
    ]


def test_without_a_public_address_the_result_is_named_by_its_path() -> None:
    delivery = {"event": {"type": "file.completed"}, "file_id": ID}
    assert data_of(delivery, "a.pdf", "")["result_url"] == f"/{ID}"


def test_a_deleted_document_has_no_name_and_no_result() -> None:
    data = data_of({"event": {"type": "file.completed"}, "file_id": ID}, None, "https://rag.example")
    assert (data["name"], data["result_url"]) == (None, None)


def test_every_live_secret_signs_and_no_other_verifies() -> None:
    now = datetime.now(UTC)
    secrets = [new_secret(), new_secret()]
    headers = headers_of("msg_1", b"{}", secrets, now)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in secrets:
        Webhook(secret).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets[0]).verify(b"{ }", headers)


def test_the_old_secret_lives_until_its_time_is_over() -> None:
    endpoint = {"secrets": [{"key": "new"}, {"key": "old", "until": AT}]}
    assert live_secrets(endpoint, AT - timedelta(seconds=1)) == ["new", "old"]
    assert live_secrets(endpoint, AT) == ["new"]
