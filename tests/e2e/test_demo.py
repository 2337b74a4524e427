"""`./run.sh demo`: its exit code and its screen tell how the document fared."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.folder import Folder
from tests.support.llmock import model_server
from tests.support.stack import ROOT

WALK = ["saving", "queued", "processing", "conversion complete", "api call done"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.stop()


def in_order(text: str, words: list[str]) -> bool:
    position = 0
    for word in words:
        position = text.find(word, position)
        if position < 0:
            return False
    return True


def test_sample_resume_is_read_by_the_local_reader_and_everything_stops(folder: Folder) -> None:
    done = folder.run("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    walk, _, result = done.stdout.partition("GET /")[2].partition("\n\n")
    assert in_order(walk, WALK), walk
    assert "nadia.ferreira@example.com" in result
    assert "local reader" in result
    assert not (folder.path / ".data").exists(), "a demo keeps nothing in the folder"


def test_model_answers_where_a_base_url_is_set(folder: Folder) -> None:
    with model_server() as model:
        model.answers("## Summary\nNadia Ferreira builds document platforms.")
        done = folder.run("demo", OPENAI_BASE_URL=model.base_url)
        assert model.paid_calls() == 1
    assert done.returncode == 0, done.stdout + done.stderr
    assert in_order(done.stdout, [*WALK, "Nadia Ferreira builds document platforms."])


def test_document_that_cannot_be_read_ends_with_its_code_and_exit_1(folder: Folder, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes((ROOT / "examples" / "resume.pdf").read_bytes()[:300])
    done = folder.run("demo", str(broken))
    assert done.returncode == 1
    assert in_order(done.stdout, ["saving", "failed", "ended as failed: "]), done.stdout
    assert "unknown" not in done.stdout.partition("ended as failed: ")[2]


def test_file_of_another_kind_is_refused_with_exit_1(folder: Folder, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a PDF", encoding="utf-8")
    done = folder.run("demo", str(text))
    assert done.returncode == 1
    assert "refused with 4" in done.stdout, done.stdout


def test_missing_file_is_named_before_anything_starts(folder: Folder) -> None:
    done = folder.run("demo", "no-such-file.pdf")
    assert done.returncode == 1
    assert "no-such-file.pdf" in done.stdout
    assert "starting" not in done.stdout
