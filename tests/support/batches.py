"""Batches for tests: sent, and looked at."""

from typing import Any

from tests.support.api import RunningApi

NO_PDF = b"GIF89a" * 300


def several(*contents: bytes, **more: Any) -> dict[str, Any]:
    return {"files": [("file", (f"{n}.pdf", content)) for n, content in enumerate(contents)]} | more


def pdf(number: int) -> bytes:
    return b"%%PDF-1.4\n%d" % number


def sent(api: RunningApi, *contents: bytes, **more: Any) -> dict[str, Any]:
    answer = api.client.post("/upload", **several(*contents, **more))
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


def seen(api: RunningApi, batch_id: str) -> dict[str, Any]:
    answer = api.client.get(f"/batches/{batch_id}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body
