"""Every example of docs/client.md is run against a real API; documents are worked on by hand."""

import re
import shutil
from pathlib import Path

import pytest

from app.client import AsyncClient, Client
from app.config import ApiSettings
from tests.support.api import RunningApi
from tests.support.by_hand import ByHand

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
SERVER = "http://127.0.0.1:8001"
SAID = (
    ("api call done # Ann Lee",),
    (" bytes",),
    ("{'name': 'Ann Lee'}", "api call done"),
    ("not_found False",),
    ("api call done", "resume.pdf 1"),
)
"""Of each example's output."""


def test_the_guide_has_an_example_for_each_expectation() -> None:
    assert len(EXAMPLES) == len(SAID)
    assert all(SERVER in example for example in EXAMPLES)


@pytest.mark.parametrize("number", range(len(SAID)))
def test_an_example_does_what_it_says(
    number: int,
    api: RunningApi,
    settings: ApiSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copy(ROOT / "examples" / "resume.pdf", tmp_path)
    monkeypatch.chdir(tmp_path)
    by_hand = ByHand(
        settings.mongo_url.get_secret_value(), settings.mongo_db, settings.valkey_url.get_secret_value()
    )
    with by_hand.working():
        code = EXAMPLES[number].replace(SERVER, f"http://127.0.0.1:{api.port}")
        exec(compile(code, "docs/client.md", "exec"), {"__name__": "guide"})
    by_hand.close()
    said = capsys.readouterr().out
    assert all(words in said for words in SAID[number]), said


def test_the_guide_names_every_public_call() -> None:
    calls = {name for name in vars(Client) if not name.startswith("_")}
    assert {f"`{name}" for name in calls if f"`{name}(" not in GUIDE} <= {"`close"}
    assert calls - {"close"} == {name for name in vars(AsyncClient) if not name.startswith("_")} - {"aclose"}
