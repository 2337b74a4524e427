"""The commands as somebody types them, against a real API; documents are worked on by hand."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.cli.__main__ import app
from app.config import ApiSettings
from tests.support.api import PDF, RunningApi, running_api, settings_for, wait_until
from tests.support.by_hand import RESULT, ByHand, badly
from tests.support.callers import KeyMaker

ROOT = Path(__file__).parents[2]
UNKNOWN = "0" * 24
DEADLINE_S = 120


@pytest.fixture(autouse=True)
def quiet_api() -> Iterator[None]:
    """The API runs in this process: what it logs would stand among the commands' words."""
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.ReturnLoggerFactory()
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
def by_hand(settings: ApiSettings) -> Iterator[ByHand]:
    hand = ByHand(
        settings.mongo_url.get_secret_value(), settings.mongo_db, settings.valkey_url.get_secret_value()
    )
    yield hand
    hand.close()


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    path = tmp_path / "resume.pdf"
    path.write_bytes(PDF)
    return path


def environment(api: RunningApi, **more: str) -> dict[str, str]:
    return {"FULL_RAG_URL": f"http://127.0.0.1:{api.port}", "FULL_RAG_API_KEY": ""} | more


def types(api: RunningApi, *words: object, code: int = 0, **env: str) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words], env=environment(api, **env))
    assert done.exit_code == code, (done.stdout, done.stderr, done.exception)
    assert "\x1b" not in done.output
    assert "Traceback" not in done.output
    return done


def uploaded(api: RunningApi, name: str = "resume.pdf") -> str:
    file_id: str = api.upload(name=name).json()["file_id"]
    return file_id


def test_a_file_is_analysed_and_the_result_alone_is_on_standard_output(
    api: RunningApi, by_hand: ByHand, paper: Path
) -> None:
    with by_hand.working():
        done = types(api, "analyze", paper, "--prompt", "Who?")
    assert done.stdout == f"{RESULT}\n"
    assert "resume.pdf: accepted as" in done.stderr
    assert "resume.pdf: done, 1 page" in done.stderr
    (record,) = by_hand.files.find({})
    assert record["options"]["prompt"] == "Who?"


def test_several_files_are_told_apart_on_standard_output_and_in_a_folder(
    api: RunningApi, by_hand: ByHand, paper: Path, tmp_path: Path
) -> None:
    other = tmp_path / "sub" / "resume.pdf"
    other.parent.mkdir()
    other.write_bytes(PDF)
    with by_hand.working():
        shown = types(api, "analyze", paper, other)
        types(api, "analyze", paper, other, "--out", tmp_path / "out" / "deep")
    assert shown.stdout.count("==>") == 2
    assert f"==> {other} <==" in shown.stdout
    written = sorted((tmp_path / "out" / "deep").iterdir())
    assert len(written) == 4
    assert all(path.read_text() == RESULT for path in written if path.suffix == ".md")
    assert (tmp_path / "out" / "deep" / "resume.md").is_file()


def test_json_is_one_object_a_line_for_what_went_well_and_what_was_refused(
    api: RunningApi, by_hand: ByHand, paper: Path, tmp_path: Path
) -> None:
    text = tmp_path / "note.pdf"
    text.write_bytes(b"not a PDF")
    with by_hand.working():
        done = types(api, "analyze", paper, text, "--json", code=4)
    lines = {Path(one["file"]).name: one for one in map(json.loads, done.stdout.splitlines())}
    assert (lines["resume.pdf"]["status"], lines["resume.pdf"]["result"]) == ("api call done", RESULT)
    assert lines["note.pdf"]["error"]["code"] == "unsupported_type"
    assert lines["note.pdf"]["request_id"]


def test_a_failed_document_is_exit_code_1_and_its_words_cannot_steer_the_terminal(
    api: RunningApi, by_hand: ByHand, paper: Path
) -> None:
    with by_hand.working(badly):
        done = types(api, "analyze", paper, code=1)
    assert "failed: encrypted: It has a password.␛[2J" in done.stderr
    assert done.stdout == ""


def test_what_takes_too_long_is_left_to_the_server_which_can_be_watched(
    api: RunningApi, by_hand: ByHand, paper: Path
) -> None:
    done = types(api, "analyze", paper, "--timeout", 1, "--url", f"http://127.0.0.1:{api.port}/", code=1)
    (record,) = by_hand.files.find({})
    assert f"watch --url http://127.0.0.1:{api.port}/ {record['_id']}" in done.stderr
    with by_hand.working():
        assert types(api, "watch", record["_id"]).stdout == f"{RESULT}\n"


def test_the_life_of_a_document_by_single_commands(api: RunningApi, by_hand: ByHand) -> None:
    file_id = uploaded(api)
    by_hand.change(file_id, name="a\x1b[31m\u202eb.pdf")  # a server that lets such a name pass
    assert f"{file_id}  a␛[31m\ufffdb.pdf  waiting" in types(api, "status", file_id).stdout
    assert "not finished" in types(api, "result", file_id, code=1).stderr
    assert "cancelled" in types(api, "cancel", file_id).stdout
    assert "already_ended" in types(api, "cancel", file_id, code=4).stderr
    assert "waiting" in types(api, "retry", file_id).stdout
    with by_hand.working():
        types(api, "watch", file_id)
    assert types(api, "result", file_id).stdout == f"{RESULT}\n"
    assert json.loads(types(api, "result", file_id, "--json").stdout)["result"] == RESULT
    assert json.loads(types(api, "status", file_id, "--json").stdout)["_id"] == file_id
    assert "--yes" in types(api, "delete", file_id, code=2).stderr
    types(api, "delete", file_id, "--yes")
    assert "not_found" in types(api, "status", file_id, code=4).stderr


def test_one_that_is_missing_does_not_keep_the_others_from_being_shown(api: RunningApi) -> None:
    file_id = uploaded(api)
    done = types(api, "status", UNKNOWN, file_id, code=4)
    assert file_id in done.stdout
    assert f"{UNKNOWN}: not_found" in done.stderr


def test_the_list_is_the_newest_first_over_its_pages_and_can_be_narrowed(
    api: RunningApi, by_hand: ByHand
) -> None:
    ids = [uploaded(api, f"{number}.pdf") for number in range(3)]
    by_hand.change(ids[1], status="failed")
    shown = types(api, "list").stdout
    assert [shown.index(file_id) for file_id in reversed(ids)] == sorted(shown.index(i) for i in ids)
    rows = [json.loads(row) for row in types(api, "list", "--limit", 2, "--json").stdout.splitlines()]
    assert [row["_id"] for row in rows] == [ids[2], ids[1]]
    failed = types(api, "list", "--status", "failed", "--json").stdout.splitlines()
    assert [json.loads(row)["_id"] for row in failed] == [ids[1]]
    assert "No document" in types(api, "list", "--status", "cancelled").stderr
    assert "invalid_request" in types(api, "list", "--status", "nonsense", code=4).stderr


def test_a_server_that_wants_a_key_gets_it_from_the_environment(
    tmp_path: Path, mongo_url: str, mongo_db: str, valkey_url: str, paper: Path
) -> None:
    key = KeyMaker(mongo_url, mongo_db).make()
    kept = tmp_path / "key"
    kept.write_text(f"{key.text}\n")
    with running_api(settings_for(tmp_path, mongo_url, mongo_db, valkey_url, auth="required")) as api:
        assert "FULL_RAG_API_KEY" in types(api, "list", code=4).stderr
        assert "FULL_RAG_API_KEY" in types(api, "analyze", paper, code=4).stderr
        wrong = types(api, "list", code=4, FULL_RAG_API_KEY=key.text[:-1] + "-").stderr
        assert "key_invalid" in wrong
        types(api, "list", FULL_RAG_API_KEY=key.text)
        types(api, "list", FULL_RAG_API_KEY_FILE=str(kept))


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("analyze", "no-such-file.pdf"), 2, "no-such-file.pdf"),
        (("analyze",), 2, "FILE"),
        (("status", "../keys"), 2, "24 hexadecimal"),
        (("list", "--url", "127.0.0.1:8001"), 2, "as in http://"),
        (("list", "--url", "http://127.0.0.1:9"), 3, "http://127.0.0.1:9"),
        (("analyze", __file__, "--url", "http://127.0.0.1:9"), 3, "Is it running"),
        (("watch", UNKNOWN, "--url", "http://127.0.0.1:9"), 3, "Is it running"),
        (("watch", UNKNOWN), 4, "not_found"),
        (("analyze", __file__, "--out", __file__), 2, "--out"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_exit_code(
    api: RunningApi, words: tuple[str, ...], code: int, hint: str
) -> None:
    done = types(api, *words, code=code)
    assert hint in done.stderr
    assert done.stdout == ""


def test_ctrl_c_leaves_the_work_to_the_server_and_says_how_to_come_back(
    api: RunningApi, by_hand: ByHand, paper: Path, tmp_path: Path
) -> None:
    noted = tmp_path / "stderr"
    with noted.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "analyze", paper],
            env={"PATH": os.environ["PATH"]} | environment(api),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        wait_until(lambda: "waiting" in noted.read_text() or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130, noted.read_text()
    (record,) = by_hand.files.find({})
    assert record["status"] == "queued"
    assert f"watch {record['_id']}" in noted.read_text()
    assert "Traceback" not in noted.read_text()
