"""When one analysis does for two documents."""

import pytest

from app.domain.analysis import analysis_key

RECIPE = {"reader": "openai", "model": "a-model", "box": (1334, 1888)}
SAME = {"file_id": "a" * 24, "owner": "public", "sha256": "1" * 64, "options": {}, "recipe": RECIPE}


def test_two_documents_of_one_owner_with_the_same_content_share_a_key() -> None:
    assert analysis_key(**SAME) == analysis_key(**SAME | {"file_id": "b" * 24})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        {"owner": "somebody else"},
        {"sha256": "2" * 64},
        {"options": {"prompt": "in one sentence"}},
        {"recipe": RECIPE | {"model": "another"}},
        {"recipe": RECIPE | {"box": (768, 1086)}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_whatever_changes_the_analysis_changes_the_key(other: dict[str, object]) -> None:
    assert analysis_key(**SAME) != analysis_key(**SAME | other)  # type: ignore[arg-type]


def test_who_wants_a_fresh_analysis_shares_with_nobody_not_even_with_another_fresh_one() -> None:
    fresh = SAME | {"options": {"fresh": True}}
    keys = {
        analysis_key(**SAME),  # type: ignore[arg-type]
        analysis_key(**fresh),  # type: ignore[arg-type]
        analysis_key(**fresh | {"file_id": "b" * 24}),  # type: ignore[arg-type]
    }
    assert len(keys) == 3


def test_the_order_of_options_does_not_matter() -> None:
    one = SAME | {"options": {"prompt": "p", "language": "de"}}
    other = SAME | {"options": {"language": "de", "prompt": "p"}}
    assert analysis_key(**one) == analysis_key(**other)  # type: ignore[arg-type]
