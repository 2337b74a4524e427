"""Several files in one form: each is taken or refused by itself, and the fields hold for all."""

import asyncio
import hashlib
from dataclasses import replace

import pytest

from app.domain.errors import DomainError
from app.intake.errors import StoredQuotaExceeded
from app.intake.fields import Wanted
from app.intake.file_part import Limits, Received
from app.intake.upload import receive
from tests.support.forms import PDF, TYPE, Kept, a_file, form, in_chunks, part

LIMITS = Limits(max_mb=0.5, idle_s=60, max_s=60, max_files=4, max_batch_mb=3)
NO_PDF = b"GIF89a" * 400
PROMPT = part('name="prompt"', b"What is it?")


def named(name: str, content: bytes = PDF) -> bytes:
    return a_file(content, f'name="file"; filename="{name}"')


def take(*parts: bytes, size: int = 64 * 1024, kept: Kept | None = None, limits: Limits = LIMITS) -> Kept:
    kept = kept or Kept()
    asyncio.run(receive(in_chunks(form(*parts), size), TYPE, limits, kept))
    return kept


def refused(*parts: bytes, kept: Kept | None = None, limits: Limits = LIMITS) -> str:
    with pytest.raises(DomainError) as raised:
        take(*parts, kept=kept, limits=limits)
    return raised.value.code


@pytest.mark.parametrize("size", [1, 100, 10**6])
def test_each_file_is_a_document_of_its_own(size: int) -> None:
    contents = {"a": PDF, "b": PDF + b"2", "c": PDF + b"3"}
    kept = take(PROMPT, *(named(name, content) for name, content in contents.items()), size=size)
    assert kept.is_batch
    assert kept.opened == 3
    assert b"".join(kept.blocks) == b"".join(contents.values())
    assert kept.received == [
        Received(name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    ]
    assert kept.wanted == [Wanted({"prompt": "What is it?"})] * 3


def test_fields_may_stand_after_the_first_file_but_not_after_the_second() -> None:
    assert take(named("a"), PROMPT, named("b")).wanted == [Wanted({"prompt": "What is it?"})] * 2
    kept = Kept()
    assert refused(named("a"), named("b"), PROMPT, kept=kept) == "field_too_late"
    assert len(kept.received) == 2, "told, and those before it are kept"


def test_a_field_that_cannot_be_used_refuses_all_before_any_is_kept() -> None:
    kept = Kept()
    assert refused(part('name="metadata"', b"[]"), named("a"), named("b"), kept=kept) == "invalid_field"
    assert kept.received == []


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    ("content", "code"),
    [(NO_PDF, "unsupported_type"), (b"", "file_empty"), (PDF + b"x" * 600_000, "file_too_large")],
)
def test_one_that_is_refused_keeps_no_other_from_being_taken(place: int, content: bytes, code: str) -> None:
    parts = [named("good"), named("fine")]
    parts.insert(place, named("bad", content))
    kept = take(*parts)
    assert [one.name for one in kept.received] == ["good", "fine"]
    assert kept.refused == [("bad", code)]


def test_a_file_without_name_and_content_is_an_empty_one_among_others() -> None:
    kept = take(a_file(b"", 'name="file"; filename=""'), named("b"))
    assert kept.refused == [("document", "file_empty")]


def test_one_that_finds_no_room_in_the_end_is_refused_alone() -> None:
    class Full(Kept):
        async def keep(self, received: Received, wanted: Wanted) -> None:
            if received.name == "b":
                raise StoredQuotaExceeded(1)
            await super().keep(received, wanted)

    kept = take(named("a"), named("b"), named("c"), kept=Full())
    assert ([one.name for one in kept.received], kept.dropped) == (["a", "c"], 1)
    assert kept.refused == [("b", "stored_quota_exceeded")]


def test_too_many_files_are_told_one_by_one_but_not_without_end() -> None:
    kept = take(*(named(str(n)) for n in range(6)))
    assert [one.name for one in kept.received] == list("0123")
    assert kept.refused == [("4", "too_many_files"), ("5", "too_many_files")]
    assert refused(*(named(str(n)) for n in range(9))) == "too_many_parts"


def test_where_batches_are_off_a_second_file_refuses_the_request() -> None:
    kept = Kept()
    assert refused(named("a"), named("b"), kept=kept, limits=replace(LIMITS, max_files=1)) == "too_many_files"
    assert kept.received == []


def test_files_that_are_together_too_large_end_the_batch() -> None:
    kept = Kept()
    parts = [named(str(n), PDF + b"x" * 400_000) for n in range(4)]
    limits = replace(LIMITS, max_batch_mb=1)
    assert refused(*parts, kept=kept, limits=limits) == "batch_too_large"
    assert 0 < len(kept.received) < 4


def test_a_refused_file_is_not_read_for_ever() -> None:
    kept = Kept()
    assert refused(named("bad", NO_PDF + b"x" * 1_200_000), named("b"), kept=kept) == "unsupported_type"
    assert kept.received == []


def test_a_single_file_that_is_refused_is_a_refused_request() -> None:
    assert refused(named("a", NO_PDF)) == "unsupported_type"
    assert refused(named("a", b"")) == "file_empty"
