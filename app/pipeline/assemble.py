"""The last step: from the saved answers, one per batch, to the analysis a person reads."""

from collections.abc import Sequence

from app.domain.result import Analysis, Answer, Usage


def batches_of(pages_total: int, pages_per_call: int) -> list[range]:
    """The page numbers (from 1) of each batch, in order; batches are numbered from 0 by their place."""
    return [
        range(first, min(first + pages_per_call, pages_total + 1))
        for first in range(1, pages_total + 1, pages_per_call)
    ]


def assemble(answers: Sequence[Answer], batches: Sequence[range]) -> Analysis:
    """One answer stands alone; several are joined in order under headings that name their pages."""
    usage = sum((answer.usage for answer in answers), Usage())
    models = ", ".join(dict.fromkeys(answer.model for answer in answers))
    if len(answers) == 1:
        text = answers[0].text.strip()
    else:
        parts = zip(batches, answers, strict=True)
        text = "\n\n".join(f"# {_heading(pages)}\n\n{answer.text.strip()}" for pages, answer in parts)
    return Analysis(result=text, model=models, usage=usage)


def _heading(pages: range) -> str:
    return f"Page {pages[0]}" if len(pages) == 1 else f"Pages {pages[0]} to {pages[-1]}"
