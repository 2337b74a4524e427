"""The local reader: text layer first, OCR where there is none, and what it says when neither helps."""

import stat
from pathlib import Path

import pytest

from app.domain.errors import PermanentFailure
from app.domain.result import Usage
from app.pipeline.local_ocr import Tesseract
from app.pipeline.vision_local import MAX_TEXT, LocalReader
from tests.support.pipeline_fakes import context, page

LETTER = "Dear reader, this page has a text layer."


def program(folder: Path, script: str) -> Tesseract:
    """A stand-in for tesseract: a shell script that gets the image on stdin."""
    path = folder / "tesseract"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Tesseract("eng", str(path))


def missing(folder: Path) -> Tesseract:
    return Tesseract("eng", str(folder / "nowhere"))


def read(ocr: Tesseract, *texts: str, batch: int = 0, batches: int = 1) -> str:
    pages = [page(number, text) for number, text in enumerate(texts, 1)]
    return LocalReader(ocr=ocr).read(context(), pages, batch, batches).text


def test_answer_is_free_and_names_the_local_reader(tmp_path: Path) -> None:
    answer = LocalReader(ocr=missing(tmp_path)).read(context(), [page(1, LETTER)], 0, 1)
    assert (answer.model, answer.usage) == ("local-reader", Usage())
    assert LETTER in answer.text
    assert "not a model" in answer.text


def test_pages_with_text_do_not_run_ocr(tmp_path: Path) -> None:
    ocr = program(tmp_path, f"touch {tmp_path}/ran")
    read(ocr, LETTER, LETTER)
    assert not (tmp_path / "ran").exists()


def test_page_without_text_is_read_by_ocr_in_its_place(tmp_path: Path) -> None:
    ocr = program(tmp_path, "cat >/dev/null; echo from the image")
    text = read(ocr, "first page of three", "", "last page of three")
    assert text.index("first") < text.index("from the image") < text.index("last")


def test_stamp_on_a_scan_does_not_hide_the_scan(tmp_path: Path) -> None:
    ocr = program(tmp_path, "cat >/dev/null; echo the scanned words")
    assert "the scanned words" in read(ocr, "Page 7")


def test_ocr_gets_the_image_and_no_environment_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    ocr = program(
        tmp_path, f'cat >{tmp_path}/image; echo "key=[$OPENAI_API_KEY] threads=$OMP_THREAD_LIMIT $*"'
    )
    text = read(ocr, "")
    assert (tmp_path / "image").read_bytes() == page(1).jpeg
    assert "key=[] threads=1 stdin stdout -l eng" in text


def test_without_ocr_a_scan_fails_with_both_ways_out(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure) as failure:
        read(missing(tmp_path), "", "")
    assert failure.value.code == "ocr_unavailable"
    assert "tesseract-ocr" in failure.value.message
    assert "OPENAI_API_KEY" in failure.value.message


def test_without_ocr_a_mixed_document_is_read_in_part_and_says_so(tmp_path: Path) -> None:
    text = read(missing(tmp_path), LETTER, "")
    assert LETTER in text
    assert "could not be read: 2." in text


def test_without_ocr_a_short_text_layer_is_better_than_nothing(tmp_path: Path) -> None:
    assert "Thank you" in read(missing(tmp_path), "Thank you")


def test_unknown_language_names_the_setting(tmp_path: Path) -> None:
    ocr = program(tmp_path, "cat >/dev/null; echo \"Failed loading language 'xyz'\" >&2; exit 1")
    with pytest.raises(PermanentFailure, match="OCR_LANGUAGE") as failure:
        read(ocr, "")
    assert failure.value.code == "ocr_language_missing"


def test_crash_on_every_page_is_a_failure_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure) as failure:
        read(program(tmp_path, "exit 139"), "", "")
    assert failure.value.code == "ocr_failed"


def test_crash_on_one_page_leaves_the_others(tmp_path: Path) -> None:
    assert "could not be read: 1." in read(program(tmp_path, "exit 139"), "", LETTER)


def test_page_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    program(tmp_path, "exec sleep 600")
    slow = Tesseract("eng", str(tmp_path / "tesseract"), timeout_s=0.2)
    assert "could not be read: 1." in read(slow, "", LETTER)


def test_blank_page_is_no_failure(tmp_path: Path) -> None:
    assert "No text was found" in read(program(tmp_path, "cat >/dev/null"), "")


def test_only_the_first_part_introduces_itself(tmp_path: Path) -> None:
    assert "not a model" not in read(missing(tmp_path), LETTER, batch=1, batches=2)


def test_parts_of_an_endless_document_share_one_limit(tmp_path: Path) -> None:
    batches = 100
    text = read(missing(tmp_path), "x" * MAX_TEXT, batch=1, batches=batches)
    assert len(text) * batches < MAX_TEXT * 1.1
