"""Our signatures, verified by the other language's library of the same standard."""

import json
import shutil
import subprocess
from datetime import UTC, datetime

import pytest

from app.db.collections.endpoints import new_secret
from app.notify.message import body_of, headers_of

VERIFY = """
const { Webhook } = require("standardwebhooks");
const { secret, body, headers } = JSON.parse(require("fs").readFileSync(0, "utf8"));
process.stdout.write(new Webhook(secret).verify(body, headers).type);
"""
RESOLVE = 'require.resolve("standardwebhooks")'


def node(script: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [shutil.which("node") or "node", "-e", script]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module", autouse=True)
def library() -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not on the PATH")
    if node(RESOLVE).returncode:
        pytest.skip("npm's package standardwebhooks is not where node looks (npm install; NODE_PATH)")


@pytest.mark.parametrize("which", [0, 1])
def test_either_secret_of_a_rotation_verifies(which: int) -> None:
    secrets, now = [new_secret(), new_secret()], datetime.now(UTC)
    body = body_of(
        {"type": "file.completed", "at": now},
        {"id": "0" * 24, "status": "api call done", "name": "Lebenslauf – für €.pdf", "result_url": "/0"},
    )
    headers = headers_of("msg_1", body, secrets, now)
    given = {"secret": secrets[which], "body": body.decode(), "headers": headers}
    assert node(VERIFY, json.dumps(given)).stdout == "file.completed"


def test_a_foreign_secret_does_not() -> None:
    body = body_of({"type": "file.failed", "at": datetime.now(UTC)}, {})
    headers = headers_of("msg_1", body, [new_secret()], datetime.now(UTC))
    given = {"secret": new_secret(), "body": body.decode(), "headers": headers}
    refused = node(VERIFY, json.dumps(given))
    assert refused.returncode != 0
    assert "WebhookVerificationError" in refused.stderr
