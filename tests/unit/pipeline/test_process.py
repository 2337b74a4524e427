"""The steps in order: what is rendered, fenced, paid, saved, and what is left alone."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.errors import HandBack, LostClaim, PermanentFailure, TransientFailure
from app.domain.result import Answer, Usage
from app.pipeline.ports import Page
from app.pipeline.process import process
from tests.support.pipeline_fakes import FakePorts, FakeReader, context, never_rendering, page, rendering

LONG_S = 60.0


def stored(count: int) -> FakePorts:
    return FakePorts(pages={number: page(number) for number in range(1, count + 1)})


def test_document_goes_through_all_steps_in_order() -> None:
    ports = FakePorts()
    analysis = process(context(), ports, rendering(2), FakeReader())
    assert [entry[0] for entry in ports.log] == [
        *("save_page", "progress", "save_page", "progress", "converted"),
        *("progress", "check", "load_page", "load_page", "fence", "save_answer", "progress"),
    ]
    assert ports.named("progress") == [
        *(("converting", 1, 2), ("converting", 2, 2)),
        *(("analysing", 0, 2), ("analysing", 2, 2)),
    ]
    assert (analysis.result, analysis.model, analysis.usage) == ("answer 0", "fake-model", Usage(10, 1))


def test_stored_pages_are_not_rendered_again() -> None:
    ports = stored(2)
    process(context(pages_done=2), ports, never_rendering, FakeReader())
    assert ports.named("converted") == []


def test_answers_already_paid_are_not_paid_again() -> None:
    ports, reader = stored(6), FakeReader()
    paid = {0: Answer("first", "old-model", Usage(5, 5)), 2: Answer("third", "old-model")}
    analysis = process(context(pages_done=6, answers=paid), ports, never_rendering, reader)
    assert reader.read_batches == [1]
    assert ports.named("fence") == [(1, "fake-model")]
    assert ports.named("load_page") == [(3,), (4,)]
    assert analysis.result == (
        "# Pages 1 to 2\n\nfirst\n\n# Pages 3 to 4\n\nanswer 1\n\n# Pages 5 to 6\n\nthird"
    )
    assert analysis.usage == Usage(15, 6)
    assert analysis.model == "old-model, fake-model"


def test_document_whose_answers_are_all_saved_is_only_assembled() -> None:
    ports, reader = stored(0), FakeReader()
    analysis = process(
        context(pages_done=2, answers={0: Answer("done", "m")}), ports, never_rendering, reader
    )
    assert analysis.result == "done"
    assert reader.read_batches == []


def test_batches_are_read_at_the_same_time_up_to_the_limit() -> None:
    together = threading.Barrier(3)
    reader = FakeReader(lambda _batch: together.wait(LONG_S))
    process(context(pages_done=12, max_parallel_calls=3), stored(12), never_rendering, reader)
    assert reader.most_at_once == 3
    assert sorted(reader.read_batches) == list(range(6))


def test_unpaid_reader_takes_one_batch_at_a_time_without_a_fence() -> None:
    second = threading.Event()
    # Batch 0 gives a second one every chance to overtake it.
    ports = stored(6)
    reader = FakeReader(lambda batch: second.set() if batch else second.wait(0.2), paid=False)
    process(context(pages_done=6), ports, never_rendering, reader)
    assert reader.most_at_once == 1
    assert ports.named("fence") == []
    assert ports.named("save_answer") == [(0, ""), (1, ""), (2, "")]


def test_failed_batch_tells_its_code_and_its_siblings_under_way_are_saved() -> None:
    both_started, failed = threading.Barrier(2), threading.Event()

    def act(batch: int) -> None:
        both_started.wait(LONG_S)
        if batch == 0:
            failed.set()
            raise TransientFailure(code="model_timeout")
        failed.wait(LONG_S)

    ports, reader = stored(12), FakeReader(act)
    with pytest.raises(TransientFailure, match="wrong"):
        process(context(pages_done=12, max_parallel_calls=2), ports, never_rendering, reader)
    assert ports.named("call_failed") == [(0, "call-0", "model_timeout")]
    assert (1, "call-1") in ports.named("save_answer")
    assert 1 in ports.answers


def test_after_a_failure_no_further_batch_is_started() -> None:
    reader = FakeReader(lambda _batch: (_ for _ in ()).throw(TransientFailure()))
    ports = stored(40)
    with pytest.raises(TransientFailure):
        process(context(pages_done=40, max_parallel_calls=1), ports, never_rendering, reader)
    assert reader.read_batches == [0]
    assert ports.named("fence") == [(0, "fake-model")]


def test_unexpected_error_ends_the_call_as_internal() -> None:
    reader = FakeReader(lambda _batch: 1 / 0)
    ports = stored(2)
    with pytest.raises(ZeroDivisionError):
        process(context(pages_done=2), ports, never_rendering, reader)
    assert ports.named("call_failed") == [(0, "call-0", "internal_error")]


@pytest.mark.parametrize("stop", [LostClaim(), HandBack()])
@pytest.mark.parametrize("port", ["check", "fence", "progress", "save_page", "converted"])
def test_stop_from_any_port_before_a_call_prevents_the_call(port: str, stop: Exception) -> None:
    reader = FakeReader()
    with pytest.raises(type(stop)):
        process(context(), FakePorts(raises={port: stop}), rendering(2), reader)
    assert reader.read_batches == []


@pytest.mark.parametrize("stop", [LostClaim(), HandBack()])
def test_stop_while_another_call_is_under_way_waits_for_its_answer(stop: Exception) -> None:
    started, stopped = threading.Event(), threading.Event()

    def fence(batch: int, _model: str) -> None:
        if batch == 1:
            started.wait(LONG_S)
            stopped.set()
            raise stop

    def act(_batch: int) -> None:
        started.set()
        stopped.wait(LONG_S)

    ports, reader = stored(4), FakeReader(act)
    ports.raises["fence"] = fence
    with pytest.raises(type(stop)):
        process(context(pages_done=4), ports, never_rendering, reader)
    assert reader.read_batches == [0]
    assert ports.named("save_answer") == [(0, "call-0")]


@pytest.mark.parametrize("decisive", [LostClaim(), PermanentFailure()])
def test_of_two_failures_the_deciding_one_is_raised(decisive: Exception) -> None:
    both_started = threading.Barrier(2)

    def act(batch: int) -> None:
        both_started.wait(LONG_S)
        raise TransientFailure() if batch == 0 else decisive

    with pytest.raises(type(decisive)):
        process(context(pages_done=4), stored(4), never_rendering, FakeReader(act))


def test_answer_is_saved_before_the_hold_is_asked_about() -> None:
    ports, reader = stored(2), FakeReader(lambda _batch: ports.raises.update(progress=LostClaim()))
    with pytest.raises(LostClaim):
        process(context(pages_done=2), ports, never_rendering, reader)
    assert ports.named("save_answer") == [(0, "call-0")]


def test_progress_counts_pages_and_never_goes_backwards() -> None:
    ports = stored(21)
    process(context(pages_done=21, max_parallel_calls=8), ports, never_rendering, FakeReader())
    told = [done for _stage, done, _total in ports.named("progress")]
    assert told == sorted(told)  # type: ignore[type-var]
    assert (told[0], told[-1]) == (0, 21)


def test_pages_are_loaded_only_when_their_batch_starts() -> None:
    ports = stored(40)
    loaded: list[int] = []
    reader = FakeReader(lambda _batch: loaded.append(len(ports.named("load_page"))))
    process(context(pages_done=40, max_parallel_calls=1), ports, never_rendering, reader)
    assert loaded == [2 * n for n in range(1, 21)]


def test_document_without_pages_fails_for_good() -> None:
    with pytest.raises(PermanentFailure) as failure:
        process(context(), FakePorts(), rendering(0), FakeReader())
    assert failure.value.code == "document_empty"


def test_renderer_that_stops_early_is_not_taken_for_the_whole_document() -> None:
    def render(_path: Path) -> Iterator[tuple[int, Page]]:
        yield 3, page(1)

    ports = FakePorts()
    with pytest.raises(TransientFailure) as failure:
        process(context(), ports, render, FakeReader())
    assert failure.value.code == "render_incomplete"
    assert ports.named("converted") == []


def test_renderer_is_closed_when_the_hold_is_lost() -> None:
    closed = []

    def render(_path: Path) -> Iterator[tuple[int, Page]]:
        try:
            yield 2, page(1)
            yield 2, page(2)
        finally:
            closed.append(True)

    ports = FakePorts(raises={"save_page": LostClaim()})
    with pytest.raises(LostClaim):
        process(context(), ports, render, FakeReader())
    assert closed == [True]


def test_missing_page_fails_before_anything_is_paid() -> None:
    ports, reader = stored(1), FakeReader()
    with pytest.raises(PermanentFailure) as failure:
        process(context(pages_done=2), ports, never_rendering, reader)
    assert failure.value.code == "pages_missing"
    assert ports.named("fence") == []


def test_damaged_image_fails_before_anything_is_paid() -> None:
    ports, reader = stored(2), FakeReader()
    ports.pages[2] = page(2, jpeg=b"\x00\x00broken")
    with pytest.raises(PermanentFailure) as failure:
        process(context(pages_done=2), ports, never_rendering, reader)
    assert failure.value.code == "page_damaged"
    assert ports.named("fence") == []
    assert reader.read_batches == []
