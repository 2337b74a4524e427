"""Which files of the page leave, what is told about them, and who is sent to the page at all."""

import hashlib
import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api import error_handlers, health, ui
from app.api.request_context import RequestContext

VENDORED = re.compile(r"^\| `([\w.]+)` \|.*`([0-9a-f]{64})` \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI(redirect_slashes=False)
    app.add_middleware(RequestContext)
    error_handlers.register(app)
    app.include_router(health.router)
    app.include_router(ui.router)
    return TestClient(app, follow_redirects=False)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/ui", "text/html"),
        ("/ui/page.css", "text/css"),
        ("/ui/js/main.js", "text/javascript"),
        ("/ui/vendor/purify.min.js", "text/javascript"),
        ("/ui/vendor/dompurify.LICENSE.txt", "text/plain"),
        ("/ui/icon.svg", "image/svg+xml"),
    ],
)
def test_a_file_of_the_page_comes_with_its_kind_and_is_not_sent_twice(
    client: TestClient, path: str, kind: str
) -> None:
    first = client.get(path)
    assert first.status_code == 200
    assert first.headers["content-type"].split(";")[0] == kind
    assert first.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/ui/nothing.js",
        "/ui/js",
        "/ui/../config.py",
        "/ui/%2e%2e/config.py",
        "/ui/..%2fconfig.py",
        "/ui/vendor/VENDORED.md",
        "/ui//etc/passwd",
    ],
)
def test_nothing_else_leaves(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, b"import" in answer.content) == (404, False)


def test_the_page_has_one_address(client: TestClient) -> None:
    for path in ("/ui/", "/ui/index.html"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (307, "/ui")


def test_whatever_the_page_names_is_there() -> None:
    for path, leaf in ui.leaves().items():
        if path.startswith("js/"):
            for name in re.findall(r'(?:from|import) "\./([\w.]+)"', leaf.content.decode()):
                assert f"js/{name}" in ui.leaves(), f"{path} imports {name}"
    index = ui.leaves()[ui.INDEX].content.decode()
    for name in re.findall(r'(?:src|href)="ui/([^"]+)"', index):
        assert name in ui.leaves()


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (None, 200),
        ("*/*", 200),
        ("application/json", 200),
        ("text/html;q=0.5, application/json", 200),
        ("image/png", 200),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 307),
    ],
)
def test_only_who_would_rather_have_html_is_sent_to_the_page(
    client: TestClient, accept: str | None, status: int
) -> None:
    headers = {"accept": accept} if accept else {}
    del client.headers["accept"]
    answer = client.get("/", headers=headers)
    client.headers["accept"] = "*/*"
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"status": "healthy"}
    else:
        assert answer.headers["location"] == "/ui"


def test_vendored_libraries_are_the_files_that_are_written_down() -> None:
    folder = ui.WEB / "vendor"
    written = dict(VENDORED.findall((folder / "VENDORED.md").read_text(encoding="utf-8")))
    assert set(written) == {path.name for path in folder.glob("*.js")}
    for name, digest in written.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
