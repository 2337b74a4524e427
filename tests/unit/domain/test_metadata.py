"""A client's marks on a document: what is taken, and what is refused."""

import json

import pytest

from app.domain.metadata import parse_metadata


@pytest.mark.parametrize(
    "pairs", [{}, {"applicant": "4711"}, {"a-B_9": "ü\n"}, {f"k{n}": "v" * 256 for n in range(16)}]
)
def test_short_pairs_of_text_are_taken(pairs: dict[str, str]) -> None:
    assert parse_metadata(json.dumps(pairs)) == pairs


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "[]", "null", '"a"', '{"a": 1}', '{"a": null}', '{"a": {}}', '{"a.b": "c"}', '{"$a": "c"}',
        '{"": "c"}', '{"a": "b", "a": "c"}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', "[" * 100_000,
        json.dumps({"a": "v" * 257}), json.dumps({"k" * 41: "v"}),
        json.dumps({f"k{n}": "v" for n in range(17)}),
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="JSON object"):
        parse_metadata(text)
