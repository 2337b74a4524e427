"""The screen stays calm: only what the logs call an error is shown."""

from pathlib import Path

import pytest

from app.launch import logs
from app.launch.child import Child
from app.launch.logs import Logs, error_in


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b'{"level": "error", "event": "model refused"}', "model refused"),
        (b'{"level": "CRITICAL", "event": "gone", "code": "x", "file_id": "1"}', "gone file_id=1 code=x"),
        (b'{"level": "info", "event": "started"}', None),
        (b"plain words with error in them", None),
        (b'{"level": "error", half a line', None),
    ],
)
def test_only_errors_are_shown(line: bytes, shown: str | None) -> None:
    assert error_in(line) == shown


def test_log_of_the_last_start_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("old\n", encoding="utf-8")
    Logs([Child("api", ["true"], log=log)])
    assert (tmp_path / "api.log.1").read_text(encoding="utf-8") == "old\n"
    assert not log.exists()


def test_error_is_shown_once_and_only_when_its_line_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "api.log"
    follower = Logs([Child("api", ["true"], log=log)])
    with log.open("ab") as out:
        out.write(b'{"level": "error", "event": "model ')
        out.flush()
        follower.poll()
        assert capsys.readouterr().out == ""
        out.write(b'refused"}\n')
        out.flush()
        follower.poll()
        follower.poll()
    assert capsys.readouterr().out.count("api: model refused") == 1


def test_log_that_grew_too_large_is_emptied_and_its_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LARGEST", 100)
    log = tmp_path / "api.log"
    follower = Logs([Child("api", ["true"], log=log)])
    with log.open("ab", buffering=0) as out:
        out.write(b"x" * 200 + b"\n")
        follower.poll()
        out.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    assert (tmp_path / "api.log.1").stat().st_size == 201
