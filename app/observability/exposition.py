"""`/metrics` of a process without HTTP of its own: the client library's small server, in a thread."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, start_http_server


def show(registry: CollectorRegistry, host: str, port: int) -> Callable[[], None]:
    """Serve it from now on; what ends that is returned. Raises OSError where the port is taken."""
    server, thread = start_http_server(port, host, registry)

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return end
