"""`python -m app.main` as a process: what it says when it cannot start, how it stops, what it logs."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import ApiSettings
from tests.support.api import DEADLINE_S, PDF, files_under, wait_until
from tests.support.raw import BOUNDARY, ENDING, OPENING, answer_of, chunk
from tests.support.stores import Records

ROOT = Path(__file__).parents[2]


@dataclass
class ApiProcess:
    """One, and what it wrote so far."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def listening(self) -> bool:
        found = [line["port"] for line in self.lines() if line["event"] == "listening"]
        self.port = found[0] if found else 0
        return bool(found) or self.process.poll() is not None

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def environment(settings: ApiSettings, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONSAFEPATH": "1",
        "PORT": "0",
        "MONGO_URL": settings.mongo_url.get_secret_value(),
        "MONGO_DB": settings.mongo_db,
        "VALKEY_URL": settings.valkey_url.get_secret_value(),
        "STORAGE_URL": settings.storage_url,
    } | more


@contextmanager
def started(settings: ApiSettings, tmp_path: Path, **more: str) -> Iterator[ApiProcess]:
    log = tmp_path / "api.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.main"], env=environment(settings, **more), cwd=tmp_path, stderr=file
        )
    api = ApiProcess(process, log)
    try:
        wait_until(api.listening)
        wait_until(api.answers)
        yield api
    finally:
        process.kill()
        process.wait()


def refusal(settings: ApiSettings, tmp_path: Path, **more: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "app.main"],
        env=environment(settings, **more),
        cwd=tmp_path,
        capture_output=True,
        timeout=DEADLINE_S,
    )
    return done.returncode, done.stderr.decode()


@contextmanager
def upload_in_progress(api: ApiProcess, records: Records) -> Iterator[socket.socket]:
    head = (
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", api.port), timeout=DEADLINE_S) as sock:
        sock.sendall(head.encode() + chunk(OPENING))
        wait_until(lambda: records.count_documents({"status": "saving"}) == 1)
        yield sock


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PORT": "many"}, "PORT"),
        ({"MONGO_URL": "http://mongo"}, "MONGO_URL"),
        ({"STORAGE_URL": "ftp://host/files"}, "STORAGE_URL"),
        ({"STORAGE_URL": "/dev/null/files"}, "STORAGE_URL"),
        ({"MONGO_URL_FILE": "/nowhere"}, "MONGO_URL_FILE"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_in_one_sentence(
    settings: ApiSettings, tmp_path: Path, variables: dict[str, str], named: str
) -> None:
    code, said = refusal(settings, tmp_path, **variables)
    assert code == 2
    assert said.startswith(f"{named}: ")
    assert "Traceback" not in said


def test_a_used_port_is_told_in_words(settings: ApiSettings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = refusal(settings, tmp_path, PORT=str(taken.getsockname()[1]))
    assert code == 2
    assert re.match(r"PORT: .*set PORT", said.splitlines()[-1])


def test_the_storage_of_another_database_is_refused(settings: ApiSettings, tmp_path: Path) -> None:
    with started(settings, tmp_path):
        pass
    (Path(settings.storage_url) / ".storage-id").write_text("somebody-elses")
    code, said = refusal(settings, tmp_path)
    assert code == 2
    assert said.splitlines()[-1].startswith("STORAGE_URL: ")


def test_sigterm_lets_an_upload_in_progress_end_and_then_exits_cleanly(
    settings: ApiSettings, tmp_path: Path, records: Records
) -> None:
    with started(settings, tmp_path) as api:
        with upload_in_progress(api, records) as sock:
            api.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not accepts_connections(api.port))
            sock.sendall(chunk(ENDING) + b"0\r\n\r\n")
            assert answer_of(sock).startswith(b"HTTP/1.1 202 ")
        assert api.process.wait(DEADLINE_S) == 0
    assert records.count_documents({"status": "queued"}) == 1


def test_an_upload_that_outlasts_the_grace_is_cut_off_and_leaves_nothing(
    settings: ApiSettings, tmp_path: Path, records: Records
) -> None:
    with (
        started(settings, tmp_path, SHUTDOWN_GRACE_S="1") as api,
        upload_in_progress(api, records),
    ):
        api.process.send_signal(signal.SIGTERM)
        api.process.wait(DEADLINE_S)
    assert records.count_documents({}) == 0
    assert files_under(Path(settings.storage_url)) == []


def test_a_killed_api_leaves_an_upload_that_the_next_one_removes(
    settings: ApiSettings, tmp_path: Path, records: Records
) -> None:
    with started(settings, tmp_path, LEASE_S="5") as api, upload_in_progress(api, records):
        api.process.kill()
        api.process.wait()
    assert records.count_documents({"status": "saving"}) == 1
    with started(settings, tmp_path):
        wait_until(lambda: records.count_documents({}) == 0)
        wait_until(lambda: files_under(Path(settings.storage_url)) == [])


def test_no_line_of_the_log_holds_a_name_or_a_prompt(settings: ApiSettings, tmp_path: Path) -> None:
    with started(settings, tmp_path, LOG_LEVEL="DEBUG") as api:
        base = f"http://127.0.0.1:{api.port}"
        accepted = httpx.post(
            f"{base}/upload",
            files={"file": ("JaneDoe.pdf", PDF)},
            data={"prompt": "Is JaneDoe good?"},
            headers={"X-Request-ID": "mine", "Idempotency-Key": "JaneDoe"},
        )
        httpx.post(f"{base}/upload", files={"file": ("JaneDoe.exe", b"JaneDoe")})
        httpx.post(
            f"{base}/upload",
            content=b"--x\r\nJaneDoe",
            headers={"content-type": "multipart/form-data; boundary=x"},
        )
        httpx.get(f"{base}/JaneDoe?name=JaneDoe")
        assert accepted.status_code == 202
        wait_until(lambda: any(line.get("request_id") == "mine" for line in api.lines()))
        text = api.log.read_text()
    assert "JaneDoe" not in text
    assert all(line.startswith("{") for line in text.splitlines())
    (line,) = [
        line for line in api.lines() if line.get("request_id") == "mine" and line["event"] == "request"
    ]
    assert (line["status"], line["route"], line["process"]) == (202, "/upload", "api")


def accepts_connections(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False
