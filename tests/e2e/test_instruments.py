"""The instruments over a running system: every figure is there, and the alerts that matter are raised."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.embedded import free_port
from tests.support.api import PDF, wait_until
from tests.support.llmock import ModelServer, model_server
from tests.support.monitoring import (
    Prometheus,
    metrics_named,
    needs_prometheus,
    prometheus,
    queries,
)
from tests.support.receiver import Answer, Receiver
from tests.support.stack import ROOT, Stack

RESUME = (ROOT / "examples" / "resume.pdf").read_bytes()
PAGES = 2
PATIENCE_S = 120.0
Scrape = dict[str, float]


class System:
    """A stack with a model of its own, a receiver of webhooks, and `/metrics` on two ports."""

    def __init__(
        self, stack: Stack, model: ModelServer, hooks: Receiver, port: int, model_off: Callable[[], None]
    ) -> None:
        self.stack, self.model, self.hooks, self.port = stack, model, hooks, port
        self.switch_model_off = model_off
        self._documents = 0

    @property
    def targets(self) -> dict[str, str]:
        return {
            "full-rag-api": self.stack.url.removeprefix("http://"),
            "full-rag-maintenance": f"127.0.0.1:{self.port}",
        }

    def scrape(self) -> Scrape:
        """Every line of both processes; where both show one, the greater."""
        found: Scrape = {}
        for target in self.targets.values():
            text = httpx.get(f"http://{target}/metrics", timeout=60, trust_env=False).text
            for family in text_string_to_metric_families(text):
                for one in family.samples:
                    key = one.name + json.dumps(one.labels, sort_keys=True) * bool(one.labels)
                    found[key] = max(one.value, found.get(key, one.value))
        return found

    def until(self, condition: Callable[[Scrape], bool]) -> Scrape:
        last: Scrape = {}

        def met() -> bool:
            nonlocal last
            last = self.scrape()
            return condition(last)

        wait_until(met, PATIENCE_S)
        return last

    def resume(self) -> bytes:
        """Another one each time: the same would be answered from the first."""
        self._documents += 1
        return RESUME + b"\n%% %d\n" % self._documents

    def live_a_little(self) -> None:
        """One document is finished at once, one at its second try, one fails; webhooks arrive and do not."""
        self.hooks.answer = lambda path, times: Answer(500 if path == "/down" else 200)
        with self.stack.client() as client:
            for path in ("/up", "/down"):
                form = {"webhook_url": self.hooks.url(path)}
                answer = client.post("/upload", files={"file": ("a.pdf", self.resume())}, data=form)
                self.stack.wait(answer.json()["file_id"], "api call done")
        self.model.fails(500)
        self.stack.wait(self.stack.upload(self.resume()), "api call done")
        self.stack.wait(self.stack.upload(PDF), "failed")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with ExitStack() as parts:
        dying = parts.enter_context(ExitStack())
        model = dying.enter_context(model_server())
        hooks = parts.enter_context(Receiver().running())
        port = free_port()
        settings = {
            "METRICS_PORT": str(port),
            "OPENAI_BASE_URL": model.base_url,
            "WEBHOOK_ALLOW": hooks.allow,
        }
        stack = parts.enter_context(Stack(tmp_path / "stack", settings))
        yield System(stack, model, hooks, port, dying.close)


def label(name: str, **labels: str) -> str:
    return name + json.dumps(labels, sort_keys=True)


def test_every_metric_of_rules_and_dashboard_is_shown_by_a_running_system(system: System) -> None:
    system.live_a_little()
    shown = system.until(
        lambda seen: (
            seen.get(label("full_rag_attempts_total", outcome="done")) == 3
            and seen.get(label("full_rag_attempts_total", outcome="requeued"), 0) >= 1
            and seen.get(label("full_rag_attempts_total", outcome="failed"), 0) >= 1
            and seen.get(label("full_rag_webhook_attempts_total", outcome="delivered"), 0) >= 1
            and seen.get(label("full_rag_webhook_attempts_total", outcome="again"), 0) >= 1
            and seen.get(label("full_rag_deliveries", state="retrying"), 0) >= 1
        )
    )
    assert metrics_named() - {key.partition("{")[0] for key in shown} == set()
    assert shown[label("full_rag_documents", status="api call done")] == 3
    assert shown[label("full_rag_retries_total", code="model_error")] >= 1
    assert shown[label("full_rag_model_calls_total", code="ok")] >= 3
    assert shown[label("full_rag_model_calls_total", code="model_error")] >= 1
    assert shown["full_rag_pages_total"] == 3 * PAGES
    assert shown[label("full_rag_model_tokens_total", direction="input")] > 0
    assert shown[label("full_rag_stage_duration_seconds_count", stage="total")] == 3
    assert shown[label("full_rag_uploads_total", code="accepted")] == 4
    assert shown["full_rag_upload_bytes_total"] > 3 * len(RESUME)


def test_one_id_leads_from_the_upload_through_the_worker_to_the_webhook(system: System) -> None:
    form = {"webhook_url": system.hooks.url("/up")}
    with system.stack.client() as client:
        answer = client.post(
            "/upload",
            files={"file": ("a.pdf", RESUME)},
            data=form,
            headers={"X-Request-ID": "asked-by-a-test"},
        )
    system.stack.wait(answer.json()["file_id"], "api call done")
    wait_until(system.hooks.accepted, PATIENCE_S)

    def events(process: str) -> set[str]:
        text = system.stack.processes[process].log.read_text(encoding="utf-8")
        lines = (line for line in text.splitlines() if '"request_id": "asked-by-a-test"' in line)
        return {json.loads(line)["event"] for line in lines}

    for process, event in (
        ("api", "request"),
        ("worker", "document_done"),
        ("maintenance", "webhook_attempt"),
    ):
        wait_until(lambda process=process, event=event: event in events(process), PATIENCE_S)  # type: ignore[misc]


def returns_data(watching: Prometheus, expression: str) -> bool:
    return bool(watching.query(expression))


@needs_prometheus
def test_prometheus_draws_every_panel_and_sees_a_dead_provider_and_a_killed_worker(
    system: System, tmp_path: Path
) -> None:
    with prometheus(tmp_path, system.targets) as watching:
        wait_until(lambda: watching.query("full_rag_pages_total == 0"), PATIENCE_S)
        system.live_a_little()
        for panel, expression in queries().items():
            assert _in_time(lambda e=expression: returns_data(watching, e)), panel  # type: ignore[misc]
        assert not watching.firing() & {"FullRagProviderFails", "FullRagNoWorkerAlive"}

        system.switch_model_off()
        for _ in range(12):
            system.stack.upload(system.resume())
        wait_until(lambda: "FullRagProviderFails" in watching.firing(), PATIENCE_S)

        system.stack.kill("worker")
        wait_until(lambda: "FullRagNoWorkerAlive" in watching.firing(), PATIENCE_S)


def _in_time(condition: Callable[[], bool]) -> bool:
    try:
        wait_until(condition, PATIENCE_S)
    except AssertionError:
        return False
    return True
