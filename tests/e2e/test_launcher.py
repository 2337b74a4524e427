"""`./run.sh` as a user runs it: one command, one Ctrl-C, nothing left behind."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from app.embedded import free_port
from app.launch.family import is_alive
from tests.support.folder import PATIENCE_S, Folder, until
from tests.support.stack import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """One service for the tests that only look at it."""
    folder = Folder(tmp_path_factory.mktemp("running"))
    (folder.path / ".env").write_text("OPENAI_MODEL=some-model\n", encoding="utf-8")
    folder.start()
    folder.ready()
    yield folder
    folder.stop()


def everything_below(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def named(processes: list[psutil.Process], text: str) -> psutil.Process:
    """The first process whose command line holds `text`."""
    found = [process for process in processes if text in " ".join(process.cmdline())]
    return min(found, key=lambda process: (process.create_time(), process.pid))


def test_ctrl_c_stops_everything_even_where_it_was_ignored_at_the_start(folder: Folder) -> None:
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = folder.start()
    finally:
        signal.signal(signal.SIGINT, old)
    folder.ready()
    processes = everything_below(process)
    assert len(processes) >= 6, "guardian, valkey, mongo, api, worker, maintenance"
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    assert [process for process in processes if is_alive(process)] == []
    assert "nothing is left running" in folder.text()


def test_sigterm_during_the_start_stops_everything(folder: Folder) -> None:
    process = folder.start()
    until(lambda: (folder.path / ".data" / "mongo").exists(), "the stores to be started")
    processes = everything_below(process)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert [process for process in processes if is_alive(process)] == []


def test_nothing_is_left_when_the_launcher_itself_is_killed(folder: Folder) -> None:
    process = folder.start()
    folder.ready()
    processes = everything_below(process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(PATIENCE_S)
    until(lambda: not any(map(is_alive, processes)), "the guardian to stop what the launcher left")


def test_killed_processes_are_started_again_on_the_same_ports(folder: Folder) -> None:
    process = folder.start()
    folder.ready()
    before = everything_below(process)
    victims = [named(before, text) for text in ("valkey-server", "secantus", "app.main", "guardian")]
    environment = folder.env_file()
    for victim in victims:
        victim.kill()
    until(lambda: folder.text().count("starting it again") >= 3, "the launcher to notice")
    until(folder.is_ready, "the API to be ready again")
    assert folder.env_file() == environment
    assert not {victim.pid for victim in victims} & {p.pid for p in everything_below(process)}


def test_second_start_finds_the_documents_of_the_first(folder: Folder) -> None:
    process = folder.start()
    folder.ready()
    url = f"http://127.0.0.1:{folder.port}"
    content = (ROOT / "examples" / "resume.pdf").read_bytes()
    answer = httpx.post(f"{url}/upload", files={"file": ("cv.pdf", content)}, timeout=60, trust_env=False)
    file_id = answer.json()["file_id"]
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE_S)
    folder.start()
    folder.ready()

    def status() -> str:
        return str(httpx.get(f"{url}/{file_id}", timeout=60, trust_env=False).json()["status"])

    until(lambda: status() == "api call done", "the document of the first start")


def test_second_run_in_the_same_folder_says_that_one_runs(running: Folder) -> None:
    second = running.run("run")
    assert second.returncode == 1
    assert f"already runs in this folder (process {running.started[0].pid}" in second.stdout
    assert running.is_ready()


def test_port_in_use_names_the_setting_and_another_port(running: Folder, tmp_path: Path) -> None:
    other = Folder(tmp_path)
    second = other.run("run", PORT=str(running.port))
    assert second.returncode == 1
    assert f"PORT: {running.port} is in use" in second.stdout
    assert f"PORT={running.port + 1} ./run.sh" in second.stdout
    assert running.is_ready()


def test_env_file_is_private_and_holds_what_a_worker_needs(running: Folder) -> None:
    assert (running.path / ".data" / "env").stat().st_mode & 0o077 == 0
    environment = running.env_file()
    assert environment["STORAGE_URL"] == str(running.path / ".data" / "files")
    assert environment["OPENAI_MODEL"] == "some-model"
    assert environment["RQ_WORKER_CLASS"] == "app.queue.workers.FullRagWorker"
    assert environment["VALKEY_URL"].startswith("redis://:")
    assert environment["MONGO_URL"].startswith("mongodb://127.0.0.1:")


def test_screen_says_where_it_listens_who_reads_and_what_to_type(running: Folder) -> None:
    text = running.text()
    assert f'curl -F "file=@examples/resume.pdf" http://127.0.0.1:{running.port}/upload' in text
    assert "local reader" in text
    assert "set -a; . .data/env; set +a; .venv/bin/rq worker --with-scheduler --url" in text


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("MONGO_URL", "mongodb://user:hunter2@127.0.0.1:{port}/?serverSelectionTimeoutMS=300"),
        ("VALKEY_URL", "redis://:hunter2@127.0.0.1:{port}/0"),
    ],
)
def test_store_that_does_not_answer_is_named_without_its_password(
    folder: Folder, name: str, url: str
) -> None:
    done = folder.run("run", **{name: url.format(port=free_port())})
    assert done.returncode == 1
    assert f"{name}: no " in done.stdout
    assert "embedded" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_setting_that_cannot_be_used_is_named_before_anything_starts(folder: Folder) -> None:
    (folder.path / ".env").write_text("MAX_UPLOAD_MB=many\n", encoding="utf-8")
    done = folder.run("run")
    assert done.returncode == 1
    assert "MAX_UPLOAD_MB" in done.stdout
    assert not (folder.path / ".data" / "mongo").exists()
