"""`doctor` on set-ups that are broken on purpose: each finding names the fault and what mends it."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pymongo
import pytest
import redis
from typer.testing import CliRunner

from app.cli.__main__ import app
from app.cli.doctor.command import Part, examine
from app.cli.doctor.finding import Finding, State
from app.cli.doctor.model import sees_images
from app.config import WorkerSettings, load
from app.embedded import EmbeddedValkey
from tests.support.llmock import ModelServer, model_server
from tests.support.records import Records

NOWHERE = "http://127.0.0.1:9"
SECRETS = ("hunter2", "sk-very-secret")


@pytest.fixture
def env(tmp_path: Path, mongo_url: str, mongo_db: str, valkey_url: str) -> dict[str, str]:
    """A set-up without fault; each test breaks it."""
    (tmp_path / "files").mkdir()
    return {
        "MONGO_URL": mongo_url,
        "MONGO_DB": mongo_db,
        "VALKEY_URL": valkey_url,
        "STORAGE_URL": str(tmp_path / "files"),
    }


def examined(env: Mapping[str, str], url: str = NOWHERE, **more: Any) -> dict[str, Finding]:
    """By part; of several about one part the gravest."""
    found: dict[str, Finding] = {}
    for one in examine(env, list(Part), url, **({"named": False, "ask": False} | more)):
        assert not any(secret in f"{one}" for secret in SECRETS)
        assert bool(one.fix) == (one.state in (State.WARN, State.FAIL)), one
        before = found.get(one.part)
        if before is None or before.state is not State.FAIL:
            found[one.part] = one
    return found


def fails(env: Mapping[str, str], part: str, *words: str, **more: Any) -> None:
    _is(State.FAIL, examined(env, **more)[part], words)


def warns(env: Mapping[str, str], part: str, *words: str) -> None:
    _is(State.WARN, examined(env)[part], words)


def _is(state: State, one: Finding, words: tuple[str, ...]) -> None:
    assert one.state is state, one
    for word in words:
        assert word in f"{one.found} {one.fix}", (word, one)


def test_a_set_up_without_fault_has_none_but_what_does_not_run(env: dict[str, str]) -> None:
    found = examined(env)
    assert {name for name, one in found.items() if one.state is State.FAIL} == {"workers"}
    assert found["mongodb durability"].state is State.OK
    assert found["storage"].state is State.OK


@pytest.mark.parametrize(
    ("broken", "part", "named"),
    [
        ({"MAX_PAGES": "0"}, "settings of worker", "MAX_PAGES"),
        ({"PAGE_BOX": "big"}, "settings of worker", "PAGE_BOX"),
        ({"READER": "openai"}, "settings of worker", "OPENAI_API_KEY"),
        ({"WEBHOOK_ALLOW": "10.0.0.0/99"}, "settings of maintenance", "WEBHOOK_ALLOW"),
        ({"ENVIRONMENT": "production"}, "settings of api", "MONGO_URL: has no password"),
        ({"VALKEY_URL": "http://valkey:6379"}, "settings of api", "VALKEY_URL"),
        ({"OPENAI_API_KEY_FILE": "/no/such/secret"}, "settings of worker", "OPENAI_API_KEY_FILE"),
        ({"MONGO_URL": "mongodb://ann:hunter2@127.0.0.1:9/"}, "mongodb", "127.0.0.1:9 does not answer"),
        ({"MONGO_URL": "mongodb://ann:p@ss@hunter2:host/x"}, "mongodb", "percent-encoded"),
        ({"VALKEY_URL": "redis://:hunter2@127.0.0.1:9/0"}, "valkey", "127.0.0.1:9 does not answer"),
        ({"STORAGE_URL": "ftp://files"}, "storage", "s3://bucket/prefix"),
        ({"STORAGE_URL": __file__}, "storage", "STORAGE_URL"),
        ({"STORAGE_URL": "/proc"}, "storage", "the right to write"),
        ({"STORAGE_URL": "/proc"}, "disk space", "Free some space"),
        ({"OCR_LANGUAGE": "tlh"}, "tesseract", "OCR_LANGUAGE"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "model", "OPENAI_BASE_URL"),
        ({"OPENAI_BASE_URL": "not an address"}, "model", "https://api.openai.com/v1"),
        ({}, "workers", "worker"),
    ],
)
def test_a_broken_set_up_is_named(env: dict[str, str], broken: dict[str, str], part: str, named: str) -> None:
    fails(env | broken, part, named)


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ("w=1&journal=true", State.FAIL),
        ("w=0", State.FAIL),
        ("w=majority&journal=false", State.FAIL),
        ("w=majority", State.WARN),
        ("", State.WARN),
        ("w=majority&journal=true", State.OK),
    ],
)
def test_writes_that_may_be_lost_are_found_in_the_address(
    env: dict[str, str], mongo_url: str, options: str, state: State
) -> None:
    bare = mongo_url.partition("?")[0]
    found = examined(env | {"MONGO_URL": f"{bare}?{options}"})["mongodb durability"]
    assert found.state is state
    assert ("w=majority&journal=true" in found.fix) == (state is not State.OK)


def test_a_wrong_password_of_valkey_is_told_as_one(env: dict[str, str]) -> None:
    address = env["VALKEY_URL"].rpartition("@")[2]
    fails(env | {"VALKEY_URL": f"redis://:hunter2@{address}"}, "valkey", "refuses the password", "VALKEY_URL")


def test_a_valkey_that_evicts_or_only_reads_is_found(env: dict[str, str], tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "valkey", persistent=False) as server:
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
            client.replicaof("127.0.0.1", "9")
        broken = env | {"VALKEY_URL": server.url}
        warns(broken, "valkey eviction", "allkeys-lru", "noeviction")
        fails(broken, "valkey server", "replica", "primary")


def _adopts(mongo_url: str, mongo_db: str, storage_id: str) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        client[mongo_db].meta.insert_one({"_id": "storage", "storage_id": storage_id})


def test_a_storage_of_another_database_and_a_missing_one_are_found(
    env: dict[str, str], mongo_url: str, mongo_db: str, tmp_path: Path
) -> None:
    _adopts(mongo_url, mongo_db, "a" * 32)
    fails(env | {"STORAGE_URL": str(tmp_path / "nothing")}, "storage", "does not exist", "STORAGE_URL")
    assert not (tmp_path / "nothing").exists(), "who looks makes nothing"
    fails(env, "storage id", "STORAGE_URL")
    (tmp_path / "files" / ".storage-id").write_text("b" * 32)
    fails(env, "storage id", "b" * 32, "MONGO_DB")
    (tmp_path / "files" / ".storage-id").write_text("a" * 32)
    assert examined(env)["storage id"].state is State.OK


def test_a_folder_that_is_not_there_yet_is_fine_before_the_first_start(env: dict[str, str]) -> None:
    warns(env | {"STORAGE_URL": "/no/such/folder"}, "storage", "does not exist", "first start")


def test_documents_and_deliveries_that_nobody_looks_after_are_found(
    env: dict[str, str], mongo_url: str, mongo_db: str
) -> None:
    with Records(mongo_url, mongo_db) as records:
        file_id, _ = records.claimed()
        assert examined(env)["maintenance"].state is State.OK
        records.expire(file_id, ago_s=3600)
        long_ago = records.work.now() - timedelta(hours=1)
        records.database.deliveries.insert_one({"state": "pending", "next_at": long_ago})
    fails(env, "maintenance", "1 documents", "maintenance process")
    fails(env, "webhooks", "1 deliveries", "maintenance process")


def test_doors_that_stand_open_or_cannot_be_opened_are_found(env: dict[str, str]) -> None:
    warns(env | {"AUTH": "off", "HOST": "0.0.0.0"}, "access", "AUTH=required")
    warns(env | {"AUTH": "required"}, "keys", "keys create")


def test_a_program_that_is_needed_and_missing_is_found(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    warns(env, "poppler", "poppler-utils")
    warns(env, "tesseract", "tesseract-ocr")
    fails(env | {"PDF_RENDERER": "poppler"}, "poppler", "PDF_RENDERER", "poppler-utils")


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


def _with_model(env: dict[str, str], model: ModelServer, name: str = "gpt-4o") -> dict[str, str]:
    given = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": SECRETS[1], "OPENAI_MODEL": name}
    return env | given


def test_a_model_is_found_and_asked_to_see_only_where_that_is_wished(
    env: dict[str, str], model: ModelServer
) -> None:
    found = examined(_with_model(env, model))
    assert (found["model"].state, found["model sees images"].state) == (State.OK, State.SKIP)
    assert model.paid_calls() == 1, "the list of models is the only call"
    model.reset()
    assert examined(_with_model(env, model), ask=True)["model sees images"].state is State.OK
    assert any("data:image/jpeg" in str(request.body) for request in model.requests())


def test_a_model_that_is_not_there_or_sees_no_images_is_found(
    env: dict[str, str], model: ModelServer
) -> None:
    fails(_with_model(env, model, "no-such-model"), "model", "no-such-model", "OPENAI_MODEL")
    model.fails(400)
    blind = sees_images(load(WorkerSettings, _with_model(env, model)))
    _is(State.FAIL, blind, ("model_rejected_request", "OPENAI_MODEL reads images"))


@contextmanager
def answering(status: int, body: Any) -> Iterator[str]:
    """A server that answers every GET but `/` so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            healthy = self.path == "/"
            data = json.dumps({"status": "healthy"} if healthy else body).encode()
            self.send_response(200 if healthy else status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_refused_model_key_is_found(env: dict[str, str]) -> None:
    with answering(401, {"error": {"message": f"Incorrect key {SECRETS[1]}"}}) as url:
        given = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": SECRETS[1]}
        fails(env | given, "model", "refuses the key", "OPENAI_API_KEY")


def test_a_model_server_without_a_list_is_something_to_think_about(env: dict[str, str]) -> None:
    with answering(404, {}) as url:
        warns(env | {"OPENAI_BASE_URL": f"{url}/v1"}, "model", "--ask-model")


def test_an_api_that_is_away_or_not_ready_is_found(env: dict[str, str]) -> None:
    fails(env, "api", NOWHERE, "--url", named=True)
    warns(env, "api", NOWHERE)
    checks = {"mongodb": {"ok": False}, "valkey": {"ok": True}}
    with answering(503, {"status": "not ready", "checks": checks}) as url:
        fails(env, "api", "mongodb", "log", url=url)


def test_the_command_s_exit_code_and_json_are_fit_for_scripts(env: dict[str, str]) -> None:
    blank = dict.fromkeys(("FULL_RAG_URL", "AUTH", "HOST", "OPENAI_API_KEY", "OPENAI_BASE_URL"), "")
    done = CliRunner().invoke(app, ["doctor", "--json", "--url", NOWHERE], env=blank | env)
    assert done.exit_code == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"part": "api", "state": "fail"}.items() <= next(r for r in rows if r["part"] == "api").items()
    shown = CliRunner().invoke(app, ["doctor", "--part", "maintenance"], env=blank | env)
    assert "settings of worker" not in shown.stdout
    assert "→" in shown.stdout


def test_settings_may_come_from_the_file_that_the_launcher_writes(
    env: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "env"
    file.write_text("MAX_PAGES='0'\n")
    done = CliRunner().invoke(app, ["doctor", "--env-file", str(file), "--json"], env=dict(env))
    assert done.exit_code == 1
    assert "MAX_PAGES" in done.stdout
