"""Nothing of a document, a caller or a key is in any log: a whole scenario with canaries, then a search.

Everything that a client sends or gets carries a word of its own that occurs nowhere else.
"""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import pytest
from reportlab.pdfgen.canvas import Canvas

from tests.support.llmock import ModelServer, model_server
from tests.support.stack import ROOT, Stack

MARK = "canary7f3a"
CANARY = {
    "file name": f"{MARK}-file-name.pdf",
    "e-mail in the document": f"{MARK}.mail@example.com",
    "prompt": f"{MARK} prompt: what does it say?",
    "answer": f"{MARK} answer",
    "provider": f"{MARK} provider's own words",
    "model key": f"sk-{MARK}-model",
    "unknown key": f"frag_{MARK[-8:]}_{MARK * 4}xyz",
    "nonsense key": f"{MARK}-nonsense",
    "idempotency": f"{MARK}-idempotency",
    "form field": f"{MARK}_field",
    "path": f"{MARK}-path",
    "query": f"{MARK}-query",
    "header": f"{MARK}-header",
    "webhook": f"{MARK}-webhook",
}


def pdf_with(text: str) -> bytes:
    sheet = io.BytesIO()
    canvas = Canvas(sheet, invariant=True)
    canvas.drawString(72, 720, text)
    canvas.save()
    return sheet.getvalue()


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, model: ModelServer) -> Iterator[Stack]:
    settings = {
        "AUTH": "required",
        "LOG_LEVEL": "DEBUG",
        "READER": "openai",
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_API_KEY": CANARY["model key"],
        "MAX_ATTEMPTS": "1",
        "WEBHOOK_ALLOW": "127.0.0.1:9",
    }
    with Stack(tmp_path_factory.mktemp("canaries"), settings) as running:
        yield running


def make_key(stack: Stack) -> str:
    """By the operator's command."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "keys", "create", "--name", "first", "--scope", "admin"],
        env=stack.processes["api"].env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    key = done.stdout.strip()
    assert key not in done.stderr
    return key


class Scenario:
    """A caller who does everything, right and wrong."""

    def __init__(self, stack: Stack, model: ModelServer) -> None:
        self.stack, self.model = stack, model
        self.key = make_key(stack)
        self.ids: list[str] = []
        self.client = httpx.Client(base_url=stack.url, timeout=60, trust_env=False)

    def ask(self, method: str, path: str, wanted: int, **more: object) -> httpx.Response:
        headers = {"x-api-key": self.key} | dict(more.pop("headers", {}))  # type: ignore[call-overload]
        answer = self.client.request(method, path, headers=headers, **more)  # type: ignore[arg-type]
        assert answer.status_code == wanted, answer.text
        return answer

    def upload(self, content: bytes, prompt: str = CANARY["prompt"], **fields: str) -> str:
        files = {"file": (CANARY["file name"], content, "application/pdf")}
        answer = self.ask("POST", "/upload", 202, files=files, data={"prompt": prompt} | fields)
        self.ids.append(answer.json()["file_id"])
        return self.ids[-1]

    def ended(self, file_id: str) -> dict[str, object]:
        """The record, once it has ended."""
        while (record := self.ask("GET", f"/{file_id}", 200).json())["ended_at"] is None:
            self.client.get("/health/live")
        return dict(record)

    def run(self) -> None:
        self.goes_well()
        self.fails_at_the_model()
        self.fails_in_the_document()
        self.is_refused()

    def goes_well(self) -> None:
        self.model.answers(CANARY["answer"])
        hook = f"http://127.0.0.1:9/{CANARY['webhook']}"
        done = self.upload(pdf_with(CANARY["e-mail in the document"]), webhook_url=hook)
        assert CANARY["answer"] in str(self.ended(done)["result"])
        self.ask("GET", f"/{done}?q={CANARY['query']}", 200, headers={"x-canary": CANARY["header"]})
        self.ask("DELETE", f"/{done}", 204)

    def fails_at_the_model(self) -> None:
        self.model.reset()
        self.model.fails(400, code=CANARY["provider"])
        failed = self.upload(pdf_with(CANARY["e-mail in the document"]), CANARY["prompt"] + " again")
        assert self.ended(failed)["status"] == "failed"
        self.ask("POST", f"/{failed}/retry", 202)
        self.ended(failed)

    def fails_in_the_document(self) -> None:
        broken = self.upload(b"%PDF-1.4\n" + CANARY["e-mail in the document"].encode() * 50)
        assert self.ended(broken)["status"] == "failed"

    def is_refused(self) -> None:
        field = {CANARY["form field"]: "x"}
        file = {"file": (CANARY["file name"], b"no pdf")}
        self.ask("POST", "/upload", 415, files=file)
        self.ask("POST", "/upload", 422, files={"file": (CANARY["file name"], pdf_with("x"))}, data=field)
        self.ask("POST", "/upload", 415, files=file, headers={"idempotency-key": CANARY["idempotency"]})
        self.ask("GET", f"/{CANARY['path']}", 404)
        self.ask("GET", "/?api_key=" + CANARY["unknown key"], 400)
        for wrong in (CANARY["unknown key"], CANARY["nonsense key"]):
            self.ask("GET", "/0123456789abcdef01234567", 401, headers={"x-api-key": wrong})
        odd = {"x-request-id": CANARY["header"] + " !", "user-agent": CANARY["header"]}
        self.ask("GET", "/", 200, headers=odd)


def logs_of(stack: Stack) -> dict[str, str]:
    return {name: child.log.read_text(errors="replace") for name, child in stack.processes.items()}


def spellings(word: str) -> set[str]:
    """As it would look in plain text, in an address, in JSON."""
    return {word, quote(word), quote(word, safe=""), json.dumps(word)[1:-1]}


def test_no_canary_sings_in_any_log_or_command_line(stack: Stack, model: ModelServer) -> None:
    scenario = Scenario(stack, model)
    scenario.run()
    logs = logs_of(stack)
    told = logs["api"] + logs["worker"]
    assert all(file_id in told for file_id in scenario.ids), "the logs do tell of these documents"
    for event in ("key_invalid", "key_in_query", "unsupported_type", "document_done", "document_failed"):
        assert event in told
    secret = scenario.key.rpartition("_")[2]
    words = [*CANARY.values(), secret, *passwords(stack)]
    sung = [
        f"{word} in the log of {name}"
        for word in words
        for name, text in logs.items()
        if any(one in text for one in spellings(word))
    ]
    command_lines = [part for child in psutil.Process().children(recursive=True) for part in arguments(child)]
    shown = [word for word in words if any(word in part for part in command_lines)]
    assert (sung, shown) == ([], [])


def arguments(process: psutil.Process) -> list[str]:
    """What any user of the machine can read of it."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def passwords(stack: Stack) -> list[str]:
    """Those between the service's own processes."""
    urls = (httpx.URL(url.replace("mongodb://", "http://")) for url in (stack.mongo_url, stack.valkey_url))
    return [url.password for url in urls if url.password]


def test_nobody_else_on_the_machine_can_read_the_files(stack: Stack) -> None:
    data = Path(stack.service.data)
    assert data.stat().st_mode & 0o077 == 0
    assert (data / "env").stat().st_mode & 0o077 == 0
