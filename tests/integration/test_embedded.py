"""The embedded servers: what was acknowledged survives a kill -9, and nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pymongo
import pytest
import redis

from app.embedded import EmbeddedError, EmbeddedMongo, EmbeddedServer, EmbeddedValkey, free_port, port_is_free
from tests.support.servers import drop_test_database


def test_valkey_finds_its_keys_again_after_kill_9_on_the_same_port(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        url, first = server.url, server.pid
        with redis.Redis.from_url(url) as client:
            client.set("bell", "rung")
            server.kill()
            server.restart()
            assert (server.url, client.get("bell")) == (url, b"rung")
        assert server.pid != first


def test_valkey_refuses_a_client_without_the_password(tmp_path: Path) -> None:
    with (
        EmbeddedValkey(tmp_path) as server,
        redis.Redis(port=server.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_the_password_of_valkey_is_readable_by_its_user_only(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        assert (tmp_path / "valkey.conf").stat().st_mode & 0o077 == 0
        assert server.password not in " ".join(psutil.Process(server.pid).cmdline())


def test_wiped_valkey_starts_empty_on_the_same_port(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "data") as server, redis.Redis.from_url(server.url) as client:
        client.set("bell", "rung")
        server.kill()
        server.wipe()
        server.restart()
        assert client.get("bell") is None


def test_mongo_keeps_every_acknowledged_insert_over_kill_9(tmp_path: Path) -> None:
    with EmbeddedMongo(tmp_path) as server, pymongo.MongoClient[dict[str, int]](server.url) as client:
        records = client["test_kept"]["files"]
        for number in range(50):
            records.insert_one({"_id": number})
        server.kill()
        server.restart()
        assert records.count_documents({}) == 50


@pytest.mark.parametrize("kind", [EmbeddedValkey, EmbeddedMongo])
def test_stopped_server_leaves_no_process_and_a_free_port(kind: type[EmbeddedServer], tmp_path: Path) -> None:
    with kind(tmp_path) as server:
        pid = server.pid
    assert not psutil.pid_exists(pid)
    assert port_is_free("127.0.0.1", server.port)


def test_server_on_a_port_in_use_says_which_setting_helps(tmp_path: Path) -> None:
    with (
        EmbeddedValkey(tmp_path / "first") as first,
        pytest.raises(EmbeddedError, match="VALKEY_URL"),
    ):
        EmbeddedValkey(tmp_path / "second", port=first.port).start(timeout=10)


def test_server_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib\n"
        "from app.embedded import EmbeddedValkey\n"
        "print(EmbeddedValkey(pathlib.Path(sys.argv[1])).start().pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        os.kill(owner.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the server outlived its owner"
        time.sleep(0.05)


def test_free_ports_lie_below_those_of_outgoing_connections() -> None:
    assert all(15_000 <= free_port() < 32_768 for _ in range(20))


def test_a_database_that_is_not_a_tests_own_is_never_dropped(mongo_url: str) -> None:
    with pytest.raises(ValueError, match="lacks 'test'"):
        drop_test_database(mongo_url, "full_rag")


def test_fixtures_give_each_test_empty_stores(valkey_url: str, mongo_url: str, mongo_db: str) -> None:
    with (
        redis.Redis.from_url(valkey_url) as valkey,
        pymongo.MongoClient[dict[str, int]](mongo_url) as client,
    ):
        assert valkey.dbsize() == 0
        assert client[mongo_db].list_collection_names() == []
