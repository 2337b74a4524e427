"""The command line's whole walk against the running service, its API killed and started again on the way."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.api import wait_until
from tests.support.stack import PATIENCE_S, ROOT, Stack, clean_environment

RESUME = ROOT / "examples" / "resume.pdf"


def command(
    stack: Stack, *words: object, code: int = 0, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *(str(word) for word in words)],
        cwd=ROOT,
        env=clean_environment(FULL_RAG_URL=stack.url) | dict(settings or {}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def _until_said(noted: Path, text: str, process: "subprocess.Popen[bytes]") -> None:
    wait_until(lambda: text in noted.read_text() or process.poll() is not None, PATIENCE_S)
    assert text in noted.read_text()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One for all: each test leaves it running as it found it."""
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


def test_a_walk_with_the_api_killed_in_the_middle(stack: Stack, tmp_path: Path) -> None:
    stack.processes["worker"].stop()
    noted, out = tmp_path / "stderr", tmp_path / "out"
    with noted.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "analyze", RESUME, "--out", out],
            cwd=ROOT,
            env=clean_environment(FULL_RAG_URL=stack.url),
            stderr=stderr,
        )
        try:
            _until_said(noted, "waiting: ", process)
            stack.kill("api")
            _until_said(noted, "waiting for it to come back", process)
            stack.restart("api")
            stack.restart("worker")
            assert process.wait(PATIENCE_S) == 0, noted.read_text()
        finally:
            process.kill()
            process.wait()
    assert "resume.pdf: done" in noted.read_text()
    record = json.loads((out / "resume.json").read_text())
    assert (out / "resume.md").read_text() == record["result"] != ""

    file_id = record["_id"]
    assert command(stack, "result", file_id).stdout.strip() == record["result"].strip()
    assert file_id in command(stack, "list").stdout
    command(stack, "delete", "--yes", file_id)
    assert "not_found" in command(stack, "status", file_id, code=4).stderr


def test_doctor_finds_no_fault_in_a_running_service_and_shows_no_password(stack: Stack) -> None:
    settings = dict(stack.processes["api"].env or {})
    done = command(stack, "doctor", "--json", settings=settings)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert not [one for one in found if one["state"] == "fail"]
    states = {one["part"]: one["state"] for one in found}
    assert {states[part] for part in ("api", "workers", "mongodb", "valkey", "storage", "storage id")} == {
        "ok"
    }
    password = stack.valkey_url.partition("://:")[2].partition("@")[0]
    assert password
    assert password not in done.stdout + done.stderr
