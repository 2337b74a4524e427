"""What the benchmarks make of their numbers is right; nothing is measured here."""

import re

import pytest

from benchmarks.__main__ import DOCUMENT, PARTS
from benchmarks.documents import BOUNDARY, form
from benchmarks.figures import Aim, Section, Table, number, percentile, put_into, steady_rate


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(value) for value in range(40, 0, -1)]
    assert (percentile(values, 50), percentile(values, 90), percentile(values, 100)) == (20, 36, 40)
    assert percentile([7.0], 90) == 7


def test_starting_and_running_dry_do_not_count_as_speed() -> None:
    """Four workers, five waves a second apart; the first comes late, the last is slow."""
    ends = [10.0] * 4 + [11.0] * 4 + [12.0] * 4 + [13.0] * 4 + [20.0] * 4
    assert steady_rate(ends, 4) == pytest.approx(4)


def test_too_few_documents_give_no_rate() -> None:
    with pytest.raises(ValueError, match="too few"):
        steady_rate([1.0, 2.0, 3.0, 4.0], 4)


@pytest.mark.parametrize(
    ("value", "at_least", "said"),
    [(90, True, "met"), (89, True, "MISSED"), (91, False, "MISSED"), (90, False, "met")],
)
def test_a_missed_aim_is_said_aloud(value: float, at_least: bool, said: str) -> None:
    aim = Aim("speed", value, 90, at_least, " %")
    assert aim.words().startswith(f"speed: {number(value)} %")
    assert aim.words().endswith(f" {said}")


def test_numbers_keep_three_figures() -> None:
    written = [number(value) for value in (0.123, 1.0, 12.34, 1234.5, float("nan"))]
    assert written == ["0.12", "1.00", "12.3", "1,234", "–"]


def test_a_section_is_markdown() -> None:
    section = Section(
        "x", [Table(["what", "a", "b"], [["row", "1", "2"]])], [Aim("a", 1, 1, True)], ["Note."]
    )
    assert section.markdown().split("\n") == [
        "| what | a | b |",
        "| --- | ---: | ---: |",
        "| row | 1 | 2 |",
        "",
        "* a: 1.00 (aim ≥ 1.00) met",
        "",
        "Note.",
    ]


def test_figures_replace_the_old_ones_and_nothing_else() -> None:
    text = "before\n<!-- x -->\nold\n<!-- /x -->\nafter <!-- y --><!-- /y -->"
    assert put_into(text, "x", "new") == "before\n<!-- x -->\nnew\n<!-- /x -->\nafter <!-- y --><!-- /y -->"
    with pytest.raises(ValueError, match="no place for 'z'"):
        put_into(text, "z", "new")


@pytest.mark.parametrize("part", PARTS)
def test_the_document_has_a_place_for_every_part(part: str) -> None:
    assert "new figures" in put_into(DOCUMENT.read_text(encoding="utf-8"), part, "new figures")


def test_a_body_is_one_whole_form() -> None:
    body = form(b"%PDF-1.7 content")
    assert re.fullmatch(
        rb"--%b\r\n.*name=\"file\"; filename=.*\r\n\r\n%%PDF-1.7 content\r\n--%b--\r\n"
        % (2 * (BOUNDARY.encode(),)),
        body,
        re.DOTALL,
    )
