"""`/metrics`: who is answered, what is counted, and what is shown while a store is away."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.config import ApiSettings
from app.embedded import free_port
from tests.support.api import PDF, RunningApi, running_api, settings_for, wait_until
from tests.support.stack import ROOT, clean_environment

NOBODY = "redis://127.0.0.1:9"


@pytest.fixture
def settings(tmp_path: Path, mongo_url: str, mongo_db: str, valkey_url: str) -> ApiSettings:
    return settings_for(tmp_path, mongo_url, mongo_db, valkey_url, auth="off")


@pytest.fixture
def api(settings: ApiSettings) -> Iterator[RunningApi]:
    with running_api(settings) as running:
        yield running


def scrape(api: RunningApi) -> dict[tuple[str, ...], float]:
    """Each line, by name and the values of its labels."""
    answer = api.client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (one.name, *(one.labels[name] for name in sorted(one.labels))): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


def test_a_collector_nearby_needs_no_key(settings: ApiSettings) -> None:
    with running_api(settings.model_copy(update={"auth": "required"})) as api:
        answer = api.client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via"])
def test_what_came_through_a_proxy_is_not_answered(api: RunningApi, header: str) -> None:
    assert api.client.get("/metrics", headers={header: "127.0.0.1"}).status_code == 404


def test_a_peer_from_elsewhere_is_not_answered_whatever_it_says(settings: ApiSettings) -> None:
    with running_api(settings.model_copy(update={"metrics_allow": "10.9.9.0/24"})) as api:
        for said in ({}, {"x-forwarded-for": "10.9.9.9"}, {"x-real-ip": "10.9.9.9"}):
            assert api.client.get("/metrics", headers=said).status_code == 404


def test_uploads_are_counted_by_outcome_with_their_bytes(api: RunningApi) -> None:
    assert api.upload().status_code == 202
    assert api.upload(b"no document at all").status_code == 415
    seen = scrape(api)
    assert seen["full_rag_uploads_total", "accepted"] == 1
    assert seen["full_rag_uploads_total", "unsupported_type"] == 1
    assert seen["full_rag_upload_bytes_total",] > len(PDF)
    assert seen["full_rag_documents", "queued"] == 1


def test_requests_are_known_by_route_and_nobody_can_invent_a_label(api: RunningApi) -> None:
    for method, path in (("GET", "/" + "0" * 24), ("GET", "/of-a-stranger"), ("BREW", "/"), ("GET", "/")):
        api.client.request(method, path)
    counted = {
        labels: value
        for (name, *labels_), value in scrape(api).items()
        if name == "full_rag_http_request_duration_seconds_count" and (labels := tuple(labels_))
    }
    assert counted["GET", "/{file_id}", "404"] == 1
    assert counted["GET", "none", "404"] == 1
    assert counted["GET", "/", "200"] == 1
    assert not any("stranger" in part or part == "BREW" for labels in counted for part in labels)


def test_a_valkey_that_is_away_is_seen(settings: ApiSettings, tmp_path: Path) -> None:
    away = settings_for(tmp_path, settings.mongo_url.get_secret_value(), settings.mongo_db, NOBODY)
    with running_api(away) as api:
        wait_until(lambda: scrape(api).get(("full_rag_valkey_away",)) == 1)
        assert ("full_rag_workers_alive",) not in scrape(api)
        assert scrape(api)["full_rag_mongodb_up",] == 1


def test_maintenance_refuses_a_port_that_is_taken_and_says_which_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "app.maintenance"],
            env=clean_environment(
                METRICS_PORT=port,
                MONGO_URL=f"mongodb://127.0.0.1:{free_port()}",
                VALKEY_URL=NOBODY,
                STORAGE_URL=str(tmp_path / "files"),
                PYTHONPATH=str(ROOT),
            ),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 2
    assert f"METRICS_PORT: cannot listen on 127.0.0.1:{port}" in done.stderr
