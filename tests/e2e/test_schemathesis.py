"""The service is what its OpenAPI document says: every check of schemathesis on every route.

A short run, the same each time, of all phases. Half of the ids are those of real documents, of an
endpoint and of a delivery, so that requests get further than to a 404. For a long one, by hand:

    SCHEMATHESIS_CASES=200 pytest -s tests/e2e/test_schemathesis.py
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from app.domain.status import TERMINAL
from tests.support.api import wait_until
from tests.support.mazes import plain
from tests.support.stack import ROOT, Stack, clean_environment

CASES: Final = os.environ.get("SCHEMATHESIS_CASES", "3")
"""The most for each route in each phase that makes them up; the rest follows from the document."""
SETTINGS: Final = {
    "AUTH": "required",
    "READER": "local",
    "RATE_LIMIT_UPLOADS": "off",
    "RATE_LIMIT_READS": "off",
    "MAX_UPLOAD_MB": "2",
    "WAIT_MAX_S": "1",
}
CONFIG: Final = """
hooks = "tests.support.schemathesis_hooks"
[dictionaries]
documents = {{ values = {documents} }}
endpoints = {{ values = ["{endpoint}"] }}
deliveries = {{ values = ["{delivery}"] }}

# A failed document's result is its failure, 422; an `Accept` may well name nothing that we have, 406.
[[operations]]
include-path = "/{{file_id}}/result"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 406, 409, 422, 429]

# Deleting is left to ids of chance, or nothing would be left for the other routes.
[[operations]]
exclude-method = "DELETE"
[operations.parameters]
"path.file_id" = {{ dictionary = "documents", probability = 0.5 }}
"path.endpoint_id" = {{ dictionary = "endpoints", probability = 0.5 }}
"path.delivery_id" = {{ dictionary = "deliveries", probability = 0.5 }}

# A schema cannot say what a PDF holds, where a name leads, which cursors we gave out, what a key is for.
# Here a request that fits the schema may also be refused as 400, 415 or 422: documented answers, all.
[[operations]]
include-path-regex = "^/(upload|webhooks|webhooks/test|files)$"
exclude-method = "DELETE"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 409, 415, 422, 429]
"""
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("schemathesis"), SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    command = [sys.executable, "-m", "app.cli", "keys", "create", "--name", "first", "--scope", "admin"]
    env = stack.processes["api"].env
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()


def real_ids(client: httpx.Client) -> dict[str, object]:
    """Two documents that were read, one that could not be; an endpoint; a delivery."""
    contents = [plain(), plain() + b"\n", b"%PDF-1.7\nnothing"]
    posted = [client.post("/upload", files={"file": ("a.pdf", one)}).json() for one in contents]
    documents = [one["file_id"] for one in posted]
    wait_until(lambda: all(client.get(f"/{one}").json()["status"] in set(TERMINAL) for one in documents))
    endpoint = client.post("/webhooks", json={"url": "https://example.com/hook"}).json()["id"]
    delivery = client.post("/webhooks/test", json={"endpoint": endpoint}).json()["id"]
    return {"documents": documents, "endpoint": endpoint, "delivery": delivery}


def test_the_service_is_as_its_document_says(stack: Stack, key: str, tmp_path: Path) -> None:
    with httpx.Client(base_url=stack.url, headers={"x-api-key": key}, timeout=60, trust_env=False) as client:
        config = tmp_path / "schemathesis.toml"
        config.write_text(CONFIG.format(**real_ids(client)).replace("'", '"'))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)]
    options = ["--checks", "all", "--max-examples", CASES, "--generation-deterministic", "--no-shrink"]
    patience = ["--continue-on-failure", "--request-timeout", "60", "--suppress-health-check", "all"]
    address = ["run", f"{stack.url}/openapi.json", "--header", f"Authorization: Bearer {key}"]
    done = subprocess.run(
        [*command, *address, *options, *patience],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT), NO_COLOR="1"),
        capture_output=True,
        text=True,
        timeout=3000,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    made = re.search(r"(\d+) generated", done.stdout)
    assert made is not None
    assert int(made[1]) > 200
    logs = stack.processes["api"].log.read_text()
    assert "unexpected_error" not in logs
    assert '"status": 500' not in logs
