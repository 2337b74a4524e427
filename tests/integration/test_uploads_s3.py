"""Uploads into a bucket: the same promises, in parts where the file is large."""

from pathlib import Path
from typing import Any

import pytest

from app.config import ApiSettings
from tests.support.api import PDF, running_api, wait_until
from tests.support.raw import OPENING, chunk, connection
from tests.support.s3 import BUCKET
from tests.support.stores import Records


@pytest.fixture
def bucket_settings(settings: ApiSettings, s3: Any) -> ApiSettings:
    return settings.model_copy(update={"storage_url": f"s3://{BUCKET}/prefix", "max_upload_mb": 20.0})


def keys_in(s3: Any) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@pytest.mark.parametrize("size", [10_000, 12_000_000], ids=["one request", "parts"])
def test_an_upload_is_stored_in_the_bucket_until_it_is_deleted(
    bucket_settings: ApiSettings, s3: Any, records: Records, size: int
) -> None:
    content = PDF + b"x" * size
    with running_api(bucket_settings) as api:
        answer = api.upload(content)
        assert answer.status_code == 202
        blob = (records.find_one() or {})["blob"]
        assert s3.get_object(Bucket=BUCKET, Key=f"prefix/{blob}")["Body"].read() == content
        assert api.client.get("/health/ready").status_code == 200
        assert api.client.delete(answer.headers["location"]).status_code == 204
    assert keys_in(s3) == ["prefix/.storage-id"]


def test_a_client_that_goes_away_leaves_no_parts(
    bucket_settings: ApiSettings, s3: Any, records: Records
) -> None:
    with running_api(bucket_settings) as api:
        with connection(api) as sock:
            sock.sendall(chunk(OPENING))
            for _ in range(120):
                sock.sendall(chunk(b"x" * 100_000))
            wait_until(lambda: s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads"))
        wait_until(lambda: records.count_documents({}) == 0)
        wait_until(lambda: not s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads"))
    assert keys_in(s3) == ["prefix/.storage-id"]


def test_a_bucket_that_does_not_answer_is_503_and_accepts_nothing(
    bucket_settings: ApiSettings, s3: Any, records: Records, tmp_path: Path
) -> None:
    with running_api(bucket_settings) as api:
        s3.delete_object(Bucket=BUCKET, Key="prefix/.storage-id")
        s3.delete_bucket(Bucket=BUCKET)
        try:
            answer = api.upload()
        finally:
            s3.create_bucket(Bucket=BUCKET)
    assert answer.status_code == 503
    assert answer.json()["code"] == "storage_unavailable"
    assert records.count_documents({}) == 0
