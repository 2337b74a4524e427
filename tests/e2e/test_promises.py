"""What may be sent twice and is paid once: many uploads at the same time, real workers, a counting model."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.chaos.documents import document
from tests.support.llmock import ModelServer, model_server
from tests.support.stack import Stack

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


@pytest.fixture(scope="module")
def stack(model: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {"OPENAI_BASE_URL": model.base_url, "PAGE_BOX": "200x200"}
    with Stack(tmp_path_factory.mktemp("promises"), settings, workers=2) as started:
        yield started


def all_at_once(stack: Stack, content: bytes, clients: int, **headers: str) -> list[str]:
    """Each client starts when all are there, and repeats until it is accepted."""
    together = Barrier(clients)

    def upload(_: int) -> str:
        with stack.client() as client:
            together.wait(PATIENCE_S)
            while True:
                answer = client.post("/upload", files={"file": ("a.pdf", content)}, headers=headers)
                if answer.status_code == 202:
                    return str(answer.json()["file_id"])
                assert answer.json()["code"] == "idempotency_in_progress", answer.text

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(upload, range(clients)))


def test_twenty_uploads_with_one_key_are_one_record_and_one_paid_call(
    stack: Stack, model: ModelServer
) -> None:
    model.reset()
    before = stack.files.count_documents({})
    ids = all_at_once(stack, document(1, 1), 20, **{"Idempotency-Key": "one"})
    assert len(set(ids)) == 1
    stack.wait(ids[0], "api call done")
    assert stack.files.count_documents({}) == before + 1
    assert model.paid_calls() == 1


def test_ten_uploads_of_the_same_bytes_are_ten_records_and_one_paid_call(
    stack: Stack, model: ModelServer
) -> None:
    model.reset()
    ids = all_at_once(stack, document(2, 1), 10)
    assert len(set(ids)) == 10
    records = [stack.wait(file_id, "api call done") for file_id in ids]
    assert len({record["result"] for record in records}) == 1
    assert sum(not record["usage"]["cached"] for record in records) == 1
    assert model.paid_calls() == 1
