"""From answers to the analysis that a person reads."""

import pytest

from app.domain.result import Answer, Usage
from app.pipeline.assemble import assemble, batches_of


@pytest.mark.parametrize(
    ("pages", "per_call", "expected"),
    [
        (1, 10, [[1]]),
        (10, 10, [list(range(1, 11))]),
        (11, 10, [list(range(1, 11)), [11]]),
        (3, 1, [[1], [2], [3]]),
        (0, 10, []),
    ],
)
def test_every_page_is_in_one_batch(pages: int, per_call: int, expected: list[list[int]]) -> None:
    assert [list(batch) for batch in batches_of(pages, per_call)] == expected


def test_single_answer_stands_alone_without_a_heading() -> None:
    analysis = assemble([Answer("\n## Summary\n", "m", Usage(3, 4))], batches_of(2, 10))
    assert (analysis.result, analysis.model, analysis.usage) == ("## Summary", "m", Usage(3, 4))


def test_several_answers_follow_each_other_under_their_pages() -> None:
    answers = [Answer("first", "m", Usage(1, 2)), Answer("second", "m", Usage(10, 20))]
    analysis = assemble(answers, batches_of(3, 2))
    assert analysis.result == "# Pages 1 to 2\n\nfirst\n\n# Page 3\n\nsecond"
    assert analysis.usage == Usage(11, 22)
    assert analysis.model == "m"


def test_models_of_different_attempts_are_all_named() -> None:
    answers = [Answer("a", "old"), Answer("b", "new"), Answer("c", "old")]
    assert assemble(answers, batches_of(3, 1)).model == "old, new"
