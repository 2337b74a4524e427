"""A subverted child in the real fork-server: what it holds, what it tries, how it ends, what it can tell."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from app.domain.errors import DomainError, PermanentFailure, TransientFailure
from app.pipeline.ports import Page
from app.pipeline.render import RenderLimits, render_pages
from app.pipeline.render_client import converse
from app.pipeline.render_wire import Request
from tests.support.attacks import SubvertedServer, order

LIMITS = RenderLimits(timeout_s=60)
CANARY = "canary-" + "5f1c0e"
FONT = next(iter(sorted(Path("/usr/share/fonts").rglob("*.ttf"))), None)

Obey = Callable[..., list[tuple[int, Page]]]


@pytest.fixture(scope="module")
def server() -> Iterator[SubvertedServer]:
    """Started by a process that has a secret in its environment and in its memory."""
    server = SubvertedServer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", CANARY)
        server.start()
        yield server
    server.close()


@pytest.fixture
def obey(server: SubvertedServer, tmp_path: Path) -> Obey:
    def run(do: str, limits: RenderLimits = LIMITS, **targets: object) -> list[tuple[int, Page]]:
        path = tmp_path / "order"
        path.write_bytes(order(do, **targets))
        return list(render_pages(server.address(), path, limits))

    return run


def sealed_by_kernel(server: SubvertedServer) -> bool:
    return "absent" not in (server.sandbox_report()["seccomp"], server.sandbox_report()["landlock"])


def test_a_subverted_parser_achieves_nothing(server: SubvertedServer, obey: Obey, tmp_path: Path) -> None:
    if not sealed_by_kernel(server):
        pytest.skip("this kernel has no seccomp or no Landlock")
    names = (".env", "another-document.pdf", "run/secrets/openai_api_key")
    secrets = [tmp_path / name for name in names]
    for secret in secrets:
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text(CANARY)
    folders = [str(secrets[-1].parent), "/proc", f"/proc/{os.getpid()}/fd", "/run", "/"]
    targets = {
        "victim": os.getpid(),
        "server": server.pid(),
        "paths": [str(path) for path in secrets],
        "folders": folders,
    }
    [(_, page)] = obey("attack", **targets)
    found = json.loads(page.text)
    assert len(found) > 30
    assert {name: got for name, got in found.items() if got != "refused"} == {}
    assert all(secret.read_text() == CANARY for secret in secrets)

    [(_, page)] = obey("attack", replace(LIMITS, engine="poppler"), **targets)
    achieved = {name for name, got in json.loads(page.text).items() if got != "refused"}
    assert achieved == {"fork"}, "a conductor must fork; its children are sealed further"


@pytest.mark.parametrize("engine", ["pdfium", "poppler"])
def test_a_child_holds_its_document_and_nothing_else(obey: Obey, engine: str) -> None:
    [(_, page)] = obey("holdings", replace(LIMITS, engine=engine), font=str(FONT))
    found = json.loads(page.text)
    assert set(found["environment"]) <= {"LC_CTYPE"}, "Python sets that one itself"
    assert found["extra descriptors"] == []


def test_a_child_may_read_fonts(server: SubvertedServer, obey: Obey) -> None:
    if FONT is None or server.sandbox_report()["landlock"] == "absent":
        pytest.skip("no font, or no Landlock to make an exception with")
    [(_, page)] = obey("holdings", font=str(FONT))
    assert json.loads(page.text)["font"].startswith("achieved")


def test_no_secret_of_the_starter_is_in_the_renderers_memory(server: SubvertedServer, tmp_path: Path) -> None:
    """Looked at from outside, where the tests may look (as root); else that it is shut is the proof."""
    path = tmp_path / "order"
    path.write_bytes(order("rest"))
    pages = render_pages(server.address(), path, LIMITS)
    _, page = next(pages)
    for pid in (int(page.text), server.pid()):
        for file in ("environ", "mem"):
            try:
                assert CANARY.encode() not in readable(pid, file)
            except PermissionError:
                assert os.getuid() != 0
    pages.close()  # type: ignore[attr-defined]


def readable(pid: int | None, file: str) -> bytes:
    """The environment as it was exec'd, or every private writable region of its memory."""
    if file == "environ":
        return Path(f"/proc/{pid}/environ").read_bytes()
    seen = bytearray()
    regions = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for span, rights, *_ in regions:
            first, last = (int(edge, 16) for edge in span.split("-"))
            if rights.startswith("rw") and last - first < 1 << 28:
                memory.seek(first)
                seen += memory.read(last - first)
    assert len(seen) > 1 << 20
    return bytes(seen)


ENDS = {
    "spin": (replace(LIMITS, timeout_s=1), "document_too_complex", "RENDER_TIMEOUT_S"),
    "rest": (replace(LIMITS, timeout_s=1), "document_too_complex", "RENDER_TIMEOUT_S"),
    "exhaust": (replace(LIMITS, memory_mb=512), "document_too_complex", "more than the 512 MB of memory"),
    "crash": (LIMITS, "document_too_complex", "SIGSEGV"),
    "raise": (LIMITS, "document_too_complex", "misbehave"),
    "fake picture": (LIMITS, "document_too_complex", "misbehave"),
}


@pytest.mark.parametrize("do", ENDS)
def test_every_end_has_its_words_and_the_server_lives(server: SubvertedServer, obey: Obey, do: str) -> None:
    limits, code, words = ENDS[do]
    with pytest.raises(PermanentFailure) as caught:
        obey(do, limits)
    assert caught.value.code == code
    assert words in caught.value.message
    assert "secret" not in caught.value.message
    assert psutil.Process(server.pid()).is_running()


LIES: list[dict[str, int]] = [
    {"number": 3},
    {"number": 1},
    {"total": 4},
    {"total": 0},
    {"width": 0},
    {"width": 1889},
    {"height": 100_000},
    {"jpeg_bytes": 4_000_000_000},
    {"text_bytes": 4_000_000_000},
    {"kind": 77},
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: "-".join(map(str, *lie.items())))
def test_a_lying_child_is_not_believed(obey: Obey, lie: dict[str, int]) -> None:
    with pytest.raises(PermanentFailure) as caught:
        obey("lie", **lie)
    assert "misbehave" in caught.value.message


def test_a_child_cannot_claim_to_have_more_pages_than_allowed(obey: Obey) -> None:
    with pytest.raises(PermanentFailure, match="misbehave"):
        obey("lie", replace(LIMITS, max_pages=2))


def test_the_server_has_a_clock_of_its_own(server: SubvertedServer, tmp_path: Path) -> None:
    """For a client that has stopped to look; that is no fault of the document."""
    path = tmp_path / "order"
    path.write_bytes(order("rest"))
    request = Request("pdfium", LIMITS.box, 300, 1, 1536, timeout_s=100, slack_s=-99.5)
    with pytest.raises(TransientFailure) as caught:
        list(converse(server.address(), path, request))
    assert isinstance(caught.value, DomainError)
    assert caught.value.code == "renderer_unavailable"
    assert psutil.Process(server.pid()).is_running()
