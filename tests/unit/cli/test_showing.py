"""What the command line shows: harmless text, states in words, bars, exit codes by their weight."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from app.cli import describe
from app.cli.display import Bars, Lines, outage, progress, sent
from app.cli.exits import Exit, code_of, words
from app.cli.jobs import Job
from app.cli.outcome import Outcome, as_json, worst
from app.cli.safe import clean, line
from app.client import ApiError, Unreachable, WaitTimeout
from app.client.types import document
from tests.support.script import FILE_ID, record


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("\x9b31m", "\ufffd31m"),
        ("a\rb", "a␍b"),
        ("line\r\nline\tend\n", "line\nline\tend\n"),
        ("gnp.\u202egpj", "gnp.\ufffdgpj"),
        ("half \ud800", "half \ufffd"),
        ("Ünïcode 漢字 🎉 [bold]", "Ünïcode 漢字 🎉 [bold]"),
    ],
)
def test_text_of_others_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_name_stays_on_its_line() -> None:
    assert line(" a\nb\u2028c ") == "a b\ufffdc"


WAITING = {"stage": "waiting", "waiting_for": "worker", "position": 3}


@pytest.mark.parametrize(
    ("raw", "said", "percent"),
    [
        (record(progress=WAITING), "waiting: worker, 3 in the queue", 10),
        (record(progress={"stage": "waiting", "waiting_for": "provider"}), "waiting: provider", 10),
        (
            record(progress={"stage": "converting", "pages_done": 5, "pages_total": 10}),
            "converting, page 5 of 10",
            30,
        ),
        (record(progress={"stage": "analysing"}), "analysing", 50),
        (record("api call done", pages=2), "done, 2 pages", 100),
        (record("cancelled"), "cancelled", 100),
        (record("failed"), "failed", 100),
        (record("failed", error={"code": "a\x1b", "message": "b\nc"}), "failed: a␛: b c", 100),
        (record("queued"), "accepted", 10),
    ],
)
def test_a_state_is_words_and_a_part_of_the_way(raw: dict[str, object], said: str, percent: float) -> None:
    one = document(raw)
    assert (describe.state(one), describe.percent(one)) == (said, percent)


def test_lines_are_written_when_something_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as display:
        for done in (1, 2):
            sent(display, "a.pdf", done, 2)
        progress(display, "a.pdf", document(record("api call done")))
        outage(display, "b.pdf", Unreachable("away", sent=True))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "a.pdf: uploading",
        "a.pdf: done",
        "b.pdf: the server is away; waiting for it to come back",
    ]


def test_bars_show_names_as_they_are_and_what_is_waited_for() -> None:
    screen = io.StringIO()
    with Bars(Console(file=screen, force_terminal=True, width=120)) as display:
        sent(display, "[red]\x1b[2J.pdf", 1, 2)
        progress(display, "[red]\x1b[2J.pdf", document(record(progress=WAITING)))
    shown = screen.getvalue()
    assert "[red]␛[2J.pdf" in shown
    assert "waiting: worker, 3 in the queue" in shown
    assert "\x1b[2J" not in shown


REFUSED = ApiError("file_too_large", "too large", status=413, request_id="req-1")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (REFUSED, Exit.REFUSED),
        (ApiError("key_invalid", "", status=401), Exit.REFUSED),
        (ApiError("unavailable", "", retryable=True, status=503), Exit.UNREACHABLE),
        (Unreachable("", sent=False), Exit.UNREACHABLE),
        (WaitTimeout(FILE_ID, None, None), Exit.FAILED),
        (WaitTimeout(FILE_ID, None, Unreachable("", sent=True)), Exit.UNREACHABLE),
    ],
)
def test_each_error_has_its_exit_code(error: ApiError | WaitTimeout, code: Exit) -> None:
    assert code_of(error) is code


def test_an_error_is_told_with_the_request_s_id() -> None:
    assert words(REFUSED) == "file_too_large: too large (request req-1)"


def test_of_several_documents_the_heaviest_exit_code_counts(tmp_path: Path) -> None:
    done, failed = (Job("a", document=document(record(status))) for status in ("api call done", "failed"))
    outcome = Outcome(as_json=True, folder=None, headed=False)
    assert worst([done], outcome) is Exit.DONE
    assert worst([done, failed], outcome) is Exit.FAILED
    assert worst([done, failed, Job("a", error=REFUSED)], outcome) is Exit.REFUSED
    outcome.unwritten = True
    assert worst([done], outcome) is Exit.FAILED


def test_only_what_the_server_goes_on_with_can_be_come_back_to() -> None:
    under_way = document(record("processing"))
    assert Job("a", file_id=FILE_ID).left_behind
    assert Job("a", file_id=FILE_ID, document=under_way, error=WaitTimeout(FILE_ID, None, None)).left_behind
    assert not Job("a").left_behind
    assert not Job("a", file_id=FILE_ID, error=REFUSED).left_behind
    assert not Job("a", file_id=FILE_ID, document=document(record("failed"))).left_behind


def test_json_names_the_file_the_document_and_what_went_wrong() -> None:
    refused = as_json(Job("a", Path("a.pdf"), error=REFUSED))
    assert (refused["file"], refused["error"]["code"], refused["request_id"]) == (
        "a.pdf",
        "file_too_large",
        "req-1",
    )
    late = as_json(Job("a", file_id=FILE_ID, error=WaitTimeout(FILE_ID, None, None)))
    assert late["_id"] == FILE_ID
    assert json.loads(json.dumps(as_json(Job("a", document=document(record())))))["status"] == "queued"


def test_a_result_that_cannot_be_written_is_said_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.md").mkdir()
    outcome = Outcome(as_json=False, folder=tmp_path, headed=False)
    outcome.add(Job("a", Path("a.pdf"), FILE_ID, document(record("api call done", result="x"))))
    outcome.add(Job("b", Path("b.pdf"), FILE_ID, document(record("api call done", result="x\x1b"))))
    assert outcome.unwritten
    assert (tmp_path / "b.md").read_text() == "x\x1b"
    assert f"result {FILE_ID}" in capsys.readouterr().err
