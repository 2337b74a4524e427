"""Starts the API process: `python -m app.main`."""

import signal
import socket
import sys
from types import FrameType
from typing import Any, Final

import structlog
import uvicorn

from app.config import ApiSettings, ConfigError, load
from app.observability import logs
from app.server import create_app
from app.storage.base import StorageRefused
from app.storage.open import open_storage

REFUSED: Final = 2
log = structlog.get_logger(__name__)


def main() -> int:
    """The process's exit code: 0 after a graceful stop, 2 when the configuration cannot be used."""
    try:
        settings = load(ApiSettings)
        open_storage(settings.storage_url)
        listening = _listen(settings)
    except (ConfigError, StorageRefused) as error:
        return _refuse(str(error))
    logs.configure(settings.log_format, settings.log_level, "api")
    return _serve(settings, listening)


def _serve(settings: ApiSettings, listening: socket.socket) -> int:
    refusals: list[str] = []

    def on_refused(reason: str) -> None:
        refusals.append(reason)
        server.should_exit = True

    config = uvicorn.Config(
        create_app(settings, on_refused),
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=round(settings.shutdown_grace_s),
    )
    server = _Server(config)
    log.info("listening", port=listening.getsockname()[1])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)  # uvicorn has its own while it serves, and raises again afterwards
    try:
        server.run(sockets=[listening])
    except SystemExit as left:
        if not refusals:
            raise
        log.info("not_started", exit_code=left.code)
    if refusals:
        return _refuse(refusals[0])
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """Sends clients that merely wait away at once when it stops, so that only real work is waited for."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        application: Any = self.config.app
        services = getattr(application.state, "services", None)
        if services is not None:
            services.watch.leave()
        await super().shutdown(sockets)


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """A stop that was asked for is no failure."""
    raise SystemExit(0)


def _listen(settings: ApiSettings) -> socket.socket:
    """The socket, bound here so that a used port is told in words."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"PORT: cannot listen on {settings.host} port {settings.port} ({error.strerror}). "
            "Stop the program that uses it, or set PORT (and HOST) to a free one."
        ) from None


def _refuse(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
