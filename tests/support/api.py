"""The API in this process, on a real socket: uvicorn in a thread, stopped at the end of the test."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from app.api.dependencies import Services
from app.config import ApiSettings
from app.server import create_app

DEADLINE_S = 60.0
PDF = b"%PDF-1.4\n" + b"not a real one, and nobody opens it here\n" * 60


@dataclass
class RunningApi:
    """A client for it, and what is inside."""

    app: FastAPI
    client: httpx.Client
    port: int
    server: uvicorn.Server

    @property
    def services(self) -> Services:
        made: Services = self.app.state.services
        return made

    def upload(self, content: bytes = PDF, name: str = "resume.pdf", **more: Any) -> httpx.Response:
        return self.client.post("/upload", files={"file": (name, content, "application/pdf")}, **more)

    def record(self, file_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/{file_id}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


def settings_for(folder: Path, mongo_url: str, mongo_db: str, valkey_url: str, **more: Any) -> ApiSettings:
    """Settings as the environment would give them."""
    values = {
        "mongo_url": mongo_url,
        "mongo_db": mongo_db,
        "valkey_url": valkey_url,
        "storage_url": str(folder / "files"),
        "max_upload_mb": 2,
    }
    return ApiSettings.model_validate(values | more)


@contextmanager
def running(app: FastAPI) -> Iterator[RunningApi]:
    """Serve `app` on a free port."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # as `app.main` has it: who a client is, is our own question
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive())
    assert server.started, "the API refused to start"
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as client:
            yield RunningApi(app, client, port, server)
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)


@contextmanager
def running_api(settings: ApiSettings) -> Iterator[RunningApi]:
    with running(create_app(settings)) as api:
        yield api


def wait_until(condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> None:
    """Wait for it, however long a slow machine takes."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.02)


def files_under(folder: Path) -> list[str]:
    """What is kept in a storage folder, its own id left out."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return sorted(name for name in found if name != ".storage-id")
