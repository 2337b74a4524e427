"""What browsers are told, what pages elsewhere may do, and that no answer shows our inside."""

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.api.access import OPEN
from app.api.dependencies import open_services
from app.api.security_headers import CLOSED, PAGE
from app.config import ApiSettings
from app.observability.api_metrics import ApiMetrics
from app.server import create_app
from tests.support.api import RunningApi, running, settings_for

SECRET = "mongodb://full_rag:hunter2@mongo and of-ann.pdf"
ELSEWHERE = "https://app.example.com"
NO_SUCH = "/0123456789abcdef01234567"


class Place:
    """The stores of one test."""

    def __init__(self, *given: Any) -> None:
        self.given = given

    def app(self, **settings: Any) -> FastAPI:
        return create_app(settings_for(*self.given, **settings))

    @contextmanager
    def api(self, **settings: Any) -> Iterator[RunningApi]:
        with running(self.app(**settings)) as api:
            yield api


@pytest.fixture
def place(tmp_path: Path, mongo_url: str, mongo_db: str, valkey_url: str) -> Place:
    return Place(tmp_path, mongo_url, mongo_db, valkey_url)


@pytest.mark.parametrize("auth", ["off", "required"])
def test_every_kind_of_answer_carries_the_headers(place: Place, auth: str) -> None:
    with place.api(auth=auth) as api:
        for method, path in [
            ("GET", "/"),
            ("GET", NO_SUCH),
            ("POST", "/upload"),
            ("PUT", "/upload"),
            ("GET", "/x"),
        ]:
            headers = api.client.request(method, path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-frame-options"] == "DENY"
            assert headers["content-security-policy"] == CLOSED
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["x-request-id"]
            assert "access-control-allow-origin" not in headers
            assert "strict-transport-security" not in headers


def test_the_page_s_policy_allows_its_own_files_and_no_inline_script(place: Place) -> None:
    with place.api() as api:
        policy = api.client.get("/ui/anything").headers["content-security-policy"]
        assert policy == PAGE
    rules = dict(rule.split(" ", 1) for rule in PAGE.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert rules["img-src"] == "'self' blob:"
    assert "unsafe" not in PAGE


@pytest.mark.parametrize(("trusted", "told"), [("127.0.0.1", True), ("", False)])
def test_https_only_is_asked_of_browsers_that_came_by_https(place: Place, trusted: str, told: bool) -> None:
    with place.api(trusted_proxies=trusted) as api:
        headers = api.client.get("/", headers={"x-forwarded-proto": "https"}).headers
        assert ("strict-transport-security" in headers) is told


def test_pages_from_elsewhere_get_nothing_unless_they_are_named(place: Place) -> None:
    ask = {"origin": ELSEWHERE, "access-control-request-method": "POST"}
    with place.api(auth="required") as api:
        answer = api.client.options("/upload", headers=ask)
        assert "access-control-allow-origin" not in answer.headers


def test_a_page_that_is_named_may_ask_and_read_what_it_needs(place: Place) -> None:
    wanted = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    with place.api(auth="required", cors_origins=ELSEWHERE) as api:
        answer = api.client.options("/upload", headers={"origin": ELSEWHERE} | wanted)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ELSEWHERE)
        assert "authorization" in answer.headers["access-control-allow-headers"].lower()
        assert "access-control-allow-credentials" not in answer.headers
        refused = api.client.get(NO_SUCH, headers={"origin": ELSEWHERE})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ELSEWHERE)
        assert "retry-after" in refused.headers["access-control-expose-headers"].lower()
        other = api.client.options("/upload", headers={"origin": "https://evil.example.com"} | wanted)
        assert "access-control-allow-origin" not in other.headers


def test_the_documentation_is_a_page_without_scripts_or_files_of_others(place: Place) -> None:
    with place.api() as api:
        answer = api.client.get("/docs")
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "<script" not in answer.text
        assert not re.findall(r'(?:src|href)="(?!/openapi\.json")', answer.text)
        style = re.search(r"<style>(.*)</style>", answer.text, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
        for path in api.client.get("/openapi.json").json()["paths"]:
            assert f"<code>{path}</code>" in answer.text


def test_the_documentation_can_be_switched_off(place: Place) -> None:
    with place.api(docs="off") as api:
        assert [api.client.get(path).status_code for path in ("/docs", "/openapi.json", "/redoc")] == [
            404
        ] * 3


def routes() -> list[tuple[str, str]]:
    document = create_app(ApiSettings()).openapi()
    return [
        (m.upper(), path) for path, item in document["paths"].items() for m in item if "/health" not in path
    ]


@pytest.mark.parametrize(("method", "path"), [one for one in routes() if one[1] != "/"])
def test_whatever_a_handler_raises_its_text_stays_inside(method: str, path: str) -> None:
    app = create_app(ApiSettings())

    async def broken() -> None:
        raise RuntimeError(SECRET)

    app.dependency_overrides[open_services] = broken
    ids = {
        "file_id": "0" * 24,
        "batch_id": "0" * 24,
        "endpoint_id": f"we_{'0' * 24}",
        "delivery_id": "wd_1",
        "n": 1,
    }
    with_body = {"json": {"url": "https://hooks.example.com/x"}} if path.startswith("/webhooks") else {}
    app.state.gate = _OpenGate()
    app.state.instruments = SimpleNamespace(metrics=ApiMetrics())
    client = TestClient(app, raise_server_exceptions=False)
    answer = client.request(method, path.format_map(ids), **(with_body if method == "POST" else {}))  # type: ignore[arg-type]
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-security-policy"] == CLOSED
    for text in (answer.text, str(answer.headers)):
        assert "hunter2" not in text
        assert "of-ann" not in text
        assert "Traceback" not in text


class _OpenGate:
    """Lets everybody in, as the first of an owner."""

    async def admit(self, scope: Any) -> dict[str, str]:
        scope["state"]["caller"] = OPEN
        return {}
