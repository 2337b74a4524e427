"""How the suite starts the model server and talks to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from benchmarks.processes import helper


class ModelClient:
    def __init__(self, port: int) -> None:
        self.settings = {
            "READER": "openai",
            "OPENAI_API_KEY": "bench",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        }
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)

    def takes(self, seconds: float) -> None:
        """Every call from now on; those under way are answered."""
        self._http.get(f"/delay/{seconds}").raise_for_status()

    def seconds(self) -> list[float]:
        """What each finished call took, from its head's arrival to the answer's last byte."""
        return [answered - arrived for arrived, answered in self._state()["calls"]]

    def under_way(self) -> int:
        return int(self._state()["under_way"])

    def _state(self) -> Any:
        return self._http.get("/calls").raise_for_status().json()


@contextmanager
def model_server() -> Iterator[ModelClient]:
    with helper("benchmarks.model") as running:
        yield ModelClient(running.ready)
