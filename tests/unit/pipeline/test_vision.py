"""The choice of reader, and what choosing it loads."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.pipeline.vision import ReaderOptions, make_reader, warm

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("options", "model", "paid"),
    [
        (ReaderOptions(kind="local"), "local-reader", False),
        (ReaderOptions(kind="openai", api_key="sk-test", model="some-model"), "some-model", True),
        (ReaderOptions(kind="openai", base_url="http://127.0.0.1:9/v1"), "gpt-5.4-mini", True),
    ],
)
def test_reader_is_the_one_asked_for(options: ReaderOptions, model: str, paid: bool) -> None:
    reader = make_reader(options)
    assert (reader.model, reader.paid) == (model, paid)


@pytest.mark.parametrize(("kind", "loads"), [("local", False), ("openai", True)])
def test_only_the_chosen_reader_is_loaded(kind: str, loads: bool) -> None:
    code = (
        "import sys; from app.pipeline.vision import ReaderOptions, make_reader, warm\n"
        "assert 'openai' not in sys.modules\n"
        f"options = ReaderOptions(kind={kind!r}, api_key='sk-test'); warm(options); make_reader(options)\n"
        "sys.exit(10 if 'openai' in sys.modules else 11)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == (10 if loads else 11)


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_warming_needs_no_network_and_no_key(api: str) -> None:
    warm(ReaderOptions(kind="openai", api=api))  # type: ignore[arg-type]
