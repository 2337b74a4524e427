"""The maintenance process by itself: it waits for its database, mends, and stops when told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.embedded import EmbeddedMongo, free_port
from tests.support.records import Records

PATIENCE_S = 60


def environment(
    folder: Path, mongo_url: str, valkey_url: str, name: str = "test_files", **more: str
) -> dict[str, str]:
    own = {
        "MONGO_URL": mongo_url,
        "MONGO_DB": name,
        "VALKEY_URL": valkey_url,
        "STORAGE_URL": str(folder / "files"),
        "LEASE_S": "2",
        "RECONCILE_EVERY_S": "0.2",
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | own | more


@contextmanager
def maintenance(environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app.maintenance"], env=environ, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def test_it_mends_and_stops_when_told(mongo_url: str, mongo_db: str, valkey_url: str, tmp_path: Path) -> None:
    with Records(mongo_url, mongo_db) as records:
        file_id, _ = records.claimed()
        records.expire(file_id)
        with maintenance(environment(tmp_path, mongo_url, valkey_url, mongo_db)) as process:
            eventually(lambda: records.status(file_id) == "queued" and "rung_at" in records.get(file_id))
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0


def test_it_waits_out_an_absent_database_at_the_start_and_later(valkey_url: str, tmp_path: Path) -> None:
    server = EmbeddedMongo(tmp_path / "mongo", free_port())
    server_url = f"mongodb://127.0.0.1:{server.port}/?w=majority&journal=true"
    with maintenance(environment(tmp_path, server_url, valkey_url)) as process:
        assert "not_open_yet" in process.stderr.readline()  # type: ignore[union-attr]
        try:
            server.start()
            with Records(server.url, "test_files") as records:
                first = records.claimed()[0]
                records.expire(first)
                eventually(lambda: records.status(first) == "queued")
            server.kill()
            time.sleep(1)  # a few ticks without a database
            server.start()
            with Records(server.url, "test_files") as records:
                second = records.claimed()[0]
                records.expire(second)
                eventually(lambda: records.status(second) == "queued")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            server.stop()


def test_it_can_be_stopped_while_it_waits_for_the_database(valkey_url: str, tmp_path: Path) -> None:
    with maintenance(environment(tmp_path, f"mongodb://127.0.0.1:{free_port()}", valkey_url)) as process:
        assert "not_open_yet" in process.stderr.readline()  # type: ignore[union-attr]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"MONGO_URL": "http://x"}, "MONGO_URL"), ({"STORAGE_URL": "ftp://x"}, "STORAGE_URL")],
)
def test_a_wrong_setting_stops_it_with_one_sentence(
    valkey_url: str, tmp_path: Path, wrong: dict[str, str], named: str
) -> None:
    environ = environment(tmp_path, "mongodb://127.0.0.1:1", valkey_url, **wrong)
    with maintenance(environ) as process:
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert said.startswith(named)
    assert "Traceback" not in said


def test_another_database_s_storage_is_refused(
    mongo_url: str, mongo_db: str, valkey_url: str, tmp_path: Path
) -> None:
    with Records(mongo_url, mongo_db) as records:
        records.database["meta"].insert_one({"_id": "storage", "storage_id": "another"})
    with maintenance(environment(tmp_path, mongo_url, valkey_url, mongo_db)) as process:
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "STORAGE_URL" in said
