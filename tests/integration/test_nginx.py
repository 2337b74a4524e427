"""What nginx in front of the API does, with the real nginx and a stand-in for the API.

The one line that differs from production is the API's address: here it is a port of this machine.
"""

import http.client
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

ROOT = Path(__file__).resolve().parents[2]
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MEGABYTE = 1024 * 1024

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not on the PATH")


@dataclass
class Api:
    """The stand-in: notes what arrives, answers what the path asks for."""

    first_bytes: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0


def handler(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

        def do_GET(self) -> None:
            api.seen.append((self.path, dict(self.headers)))
            if not self.path.endswith("/events"):
                self._answer(200, b"{}")
                return
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"first\n")
            self.wfile.flush()
            api.go_on.wait(60)
            self.wfile.write(b"second\n")
            self.close_connection = True

        def do_POST(self) -> None:
            api.seen.append((self.path, dict(self.headers)))
            left = int(self.headers["Content-Length"])
            while left > 0:
                left -= len(self.rfile.read1(min(left, 65_536)))
                api.first_bytes.set()
            self._answer(202, b"{}")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else gets; nginx may listen on it too (`reuseport`), until then it refuses."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def body_limit(max_upload_mb: str, max_batch_mb: str = "0.25") -> str:
    """What the start script hands to the template."""
    script = ROOT / "deploy/nginx/15-body-size.envsh"
    done = subprocess.run(
        ["sh", "-c", f'. "{script}"; printf %s "$CLIENT_MAX_BODY_MB"'],
        env={
            "PATH": os.environ["PATH"],
            "MAX_UPLOAD_MB": max_upload_mb,
            "MAX_BATCH_MB": max_batch_mb,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def configure(folder: Path, port: int, api_port: int) -> Path:
    site = (ROOT / "deploy/nginx/templates/site.conf.template").read_text(encoding="utf-8")
    site = site.replace("${CLIENT_MAX_BODY_MB}", body_limit("1"))
    site = site.replace("http://api:8001", f"http://127.0.0.1:{api_port}")
    site = site.replace("listen 8001;", f"listen 127.0.0.1:{port} reuseport;")
    (folder / "site.conf").write_text(site, encoding="utf-8")
    main = (ROOT / "deploy/nginx/nginx.conf").read_text(encoding="utf-8")
    main = main.replace("/tmp/", f"{folder}/").replace("/dev/stdout", f"{folder}/access.log")
    main = main.replace("/dev/stderr", f"{folder}/error.log")
    path = folder / "nginx.conf"
    path.write_text(f"daemon off;\n{main}", encoding="utf-8")
    return path


@retry(retry=retry_if_exception_type(OSError), stop=stop_after_delay(60), wait=wait_fixed(0.05), reraise=True)
def wait_for(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=5).close()


@pytest.fixture
def api() -> Iterator[Api]:
    stand_in = Api()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(stand_in))
    server.daemon_threads = True
    stand_in.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield stand_in
    stand_in.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join(60)


@contextmanager
def nginx(folder: Path, api_port: int) -> Iterator[http.client.HTTPConnection]:
    with reserved_port() as port:
        command = [str(NGINX), "-p", str(folder), "-c", str(configure(folder, port, api_port))]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_for(port)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            yield connection
            connection.close()
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture
def front(api: Api, tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    with nginx(tmp_path, api.port) as connection:
        yield connection


def test_a_request_reaches_the_api_with_the_clients_address(
    front: http.client.HTTPConnection, api: Api
) -> None:
    front.request("GET", "/0123456789abcdef01234567?wait=30", headers={"X-Forwarded-For": "203.0.113.9"})
    assert front.getresponse().read() == b"{}"
    path, headers = api.seen[0]
    assert path == "/0123456789abcdef01234567?wait=30"
    assert headers["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1"
    assert headers["Host"].startswith("127.0.0.1:")


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/metrics?x=1", "//metrics", "/x/../metrics"])
def test_figures_are_not_to_be_had_from_outside(
    front: http.client.HTTPConnection, api: Api, path: str
) -> None:
    front.request("GET", path)
    assert front.getresponse().status == 404
    assert api.seen == []


def test_an_upload_reaches_the_api_while_it_is_still_being_sent(
    front: http.client.HTTPConnection, api: Api
) -> None:
    front.putrequest("POST", "/upload")
    front.putheader("Content-Length", "200000")
    front.endheaders()
    front.send(b"x" * 100_000)
    assert api.first_bytes.wait(60), "nginx keeps the upload to itself until it is complete"
    front.send(b"x" * 100_000)
    assert front.getresponse().status == 202


def test_a_file_of_exactly_the_allowed_size_fits_with_its_form(
    front: http.client.HTTPConnection, api: Api
) -> None:
    front.request("POST", "/upload", body=b"x" * (MEGABYTE + 1000))
    assert front.getresponse().status == 202


def test_a_larger_upload_is_refused_in_the_apis_own_words(
    front: http.client.HTTPConnection, api: Api
) -> None:
    front.putrequest("POST", "/upload")
    front.putheader("Content-Length", str(5 * MEGABYTE))
    front.endheaders()
    answer = front.getresponse()
    assert answer.status == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b'"code":"file_too_large"' in answer.read()
    assert api.seen == []


def test_an_event_is_passed_on_before_the_next_one_exists(
    front: http.client.HTTPConnection, api: Api
) -> None:
    front.request("GET", "/0123456789abcdef01234567/events")
    answer = front.getresponse()
    assert answer.readline() == b"first\n"
    api.go_on.set()
    assert answer.readline() == b"second\n"


def test_without_an_api_the_client_is_told_to_try_again(tmp_path: Path) -> None:
    with reserved_port() as nobody, nginx(tmp_path, nobody) as front:
        front.request("GET", "/")
        answer = front.getresponse()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert b'"retryable":true' in answer.read()


@pytest.mark.parametrize(
    ("max_upload_mb", "megabytes"), [("50", "51"), ("0.5", "2"), ("1.5", "3"), ("", "51"), ("4096", "4097")]
)
def test_the_limit_is_whole_megabytes_with_room_for_the_form(max_upload_mb: str, megabytes: str) -> None:
    assert body_limit(max_upload_mb) == megabytes


@pytest.mark.parametrize(
    ("max_upload_mb", "max_batch_mb", "megabytes"),
    [("", "", "501"), ("50", "499.5", "501"), ("600", "500", "601"), ("9", "100", "101")],
)
def test_a_batch_has_room_as_a_whole(max_upload_mb: str, max_batch_mb: str, megabytes: str) -> None:
    assert body_limit(max_upload_mb, max_batch_mb) == megabytes


def test_the_template_takes_nothing_else_from_the_environment() -> None:
    site = (ROOT / "deploy/nginx/templates/site.conf.template").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)\}", site)) == {"CLIENT_MAX_BODY_MB"}
