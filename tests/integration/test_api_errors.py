"""Every error is a problem body with a code and a request id, and tells nothing of our inside."""

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pymongo.errors import AutoReconnect, NotPrimaryError, OperationFailure, ServerSelectionTimeoutError

from app.api import files, health, uploads
from app.api.dependencies import open_services, services
from app.config import ApiSettings
from app.server import create_app
from tests.support.api import RunningApi, running

SECRET = "mongodb://user:hunter2@inside"
ROUTES = [
    (method, route.path.replace("{file_id:hex24}", "0123456789abcdef01234567"))
    for router in (health.router, uploads.router, files.router)
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods)
]
WITHOUT_SERVICES = {("GET", "/"), ("HEAD", "/"), ("GET", "/health/live")}


class Raising:
    """In place of the services: whatever a route touches raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> object:
        raise self._error


def app_raising(settings: ApiSettings, error: Exception) -> FastAPI:
    app = create_app(settings)
    app.dependency_overrides[services] = lambda: Raising(error)
    app.dependency_overrides[open_services] = lambda: Raising(error)
    return app


def test_whatever_a_route_raises_its_answer_tells_nothing(settings: ApiSettings) -> None:
    with running(app_raising(settings, RuntimeError(SECRET))) as api:
        for method, path in ROUTES:
            answer = api.client.request(method, path, files={"file": b"x"} if path == "/upload" else None)
            if (method, path) in WITHOUT_SERVICES:
                assert answer.status_code == 200
                continue
            assert "hunter2" not in answer.text
            assert "RuntimeError" not in answer.text
            if path != "/health/ready":
                assert is_problem(answer, 500, "internal_error"), (method, path)


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect(SECRET),
        ServerSelectionTimeoutError(SECRET),
        NotPrimaryError(SECRET),
        OperationFailure(SECRET, code=11600),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_database_that_is_away_is_503_and_says_when_to_try_again(
    settings: ApiSettings, error: Exception
) -> None:
    with running(app_raising(settings, error)) as api:
        for method, path in ROUTES:
            if (method, path) in WITHOUT_SERVICES or path == "/health/ready":
                continue
            answer = api.client.request(method, path)
            assert is_problem(answer, 503, "unavailable"), (method, path)
            assert answer.headers["retry-after"] == "2"
            assert answer.json()["retryable"] is True
            assert "hunter2" not in answer.text


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    body = answer.json()
    return (
        answer.headers["content-type"] == "application/problem+json"
        and answer.status_code == status == body["status"]
        and body["code"] == code
        and body["request_id"] == answer.headers["x-request-id"]
        and {"type", "title", "detail", "retryable"} <= set(body)
    )


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/0123456789abcdef0123456",
        "/0123456789abcdef012345678",
        "/0123456789abcdef0123456g",
        "/0123456789abcdef01234567/nope",
        "/upload/",
        "/..%2f..%2fetc",
    ],
)
def test_what_is_not_there_is_404(api: RunningApi, path: str) -> None:
    assert is_problem(api.client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("GET", "/upload", "POST"),
        ("PUT", "/0123456789abcdef01234567", "GET, DELETE"),
        ("GET", "/0123456789abcdef01234567/retry", "POST"),
    ],
)
def test_what_is_not_possible_is_405_and_names_what_is(
    api: RunningApi, method: str, path: str, allowed: str
) -> None:
    answer = api.client.request(method, path)
    assert is_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


def test_the_callers_request_id_is_kept_when_it_is_fit_for_a_log(api: RunningApi) -> None:
    given = "order-12.3_x"
    assert api.client.get("/", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a;b", "ümlaut".encode()])
def test_any_other_request_id_is_replaced(api: RunningApi, given: str | bytes) -> None:
    made = {api.client.get("/nope", headers={"X-Request-ID": given}).json()["request_id"] for _ in range(2)}
    assert len(made) == 2
    assert all(len(one) == 16 for one in made)


def test_the_root_is_healthy_for_load_balancers_too(api: RunningApi) -> None:
    assert api.client.get("/").json() == {"status": "healthy"}
    assert api.client.head("/").status_code == 200


def test_the_openapi_document_shows_the_form_and_every_problem(api: RunningApi) -> None:
    document = api.client.get("/openapi.json").json()
    form = document["paths"]["/upload"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["file"]["format"] == "binary"
    assert set(document["paths"]["/upload"]["post"]["responses"]) >= {
        "202",
        "400",
        "408",
        "413",
        "415",
        "422",
        "503",
        "507",
    }
    assert "/{file_id}" in document["paths"]
    assert "retryable" in document["components"]["schemas"]["Problem"]["properties"]
    assert api.client.get("/docs").status_code == 200
