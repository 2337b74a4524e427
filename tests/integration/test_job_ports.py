"""The worker's ports against a real database: what may be paid for, what is kept, what is told."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.errors import HandBack, LostClaim
from app.domain.file import thumb_key
from app.domain.result import Answer
from app.pipeline.ports import Page
from app.queue.heartbeat import Heartbeat
from app.queue.hold import Holding, TookTooLong
from app.queue.ports import WorkerPorts
from app.queue.retry_policy import TooManyPaidCalls
from app.queue.stop import Stop
from app.storage.disk import DiskStorage
from tests.support.records import AN_ANSWER, Records, a_hold

LEASE_S = 30.0
JOB_S = 900.0
MODEL = "a-model"


class Clock:
    """Monotonic seconds that a test moves on: a process that was frozen for a while."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.offset


class Scene:
    """One record in work, and the ports of the worker that holds it."""

    def __init__(self, records: Records, folder: Path, *, call_time_s: float = 0) -> None:
        self.records = records
        self.file_id, hold = records.claimed()
        self.clock = Clock()
        self.stop = Stop()
        self.holding = Holding(hold, LEASE_S, JOB_S, self.stop, self.clock)
        self.heartbeats = 0
        self.answers: dict[int, Answer] = {}
        self.ports = WorkerPorts(
            records.work,
            DiskStorage(folder),
            records.get(self.file_id),
            self.holding,
            Heartbeat(self.holding, self._renew, lambda: None, 10),
            pages_per_call=1,
            answers=self.answers,
            call_time_s=call_time_s,
        )

    def _renew(self) -> bool:
        self.heartbeats += 1
        self.clock.offset = 0.0  # the answer is as new as the question
        return self.records.work.heartbeat(self.file_id, self.holding.token, LEASE_S)

    def calls(self) -> list[dict[str, object]]:
        return list(self.records.get(self.file_id)["calls"])

    def given_to_another(self) -> None:
        """The lease ran out and another worker has it now."""
        self.records.put(self.file_id, lease=a_hold("worker-2").lease(self.records.work.now()))


@pytest.fixture
def records(mongo_url: str, mongo_db: str) -> Iterator[Records]:
    with Records(mongo_url, mongo_db) as one:
        yield one


@pytest.fixture
def scene(records: Records, tmp_path: Path) -> Scene:
    return Scene(records, tmp_path)


@pytest.fixture
def converted(scene: Scene) -> Scene:
    scene.ports.converted(3)
    return scene


def test_the_fence_writes_the_intent_before_the_call(converted: Scene) -> None:
    call_id = converted.ports.fence(0, MODEL)
    (call,) = converted.calls()
    assert (call["id"], call["batch"], call["token"]) == (call_id, 0, converted.holding.token)


def test_no_paid_call_without_the_hold(converted: Scene) -> None:
    converted.given_to_another()
    with pytest.raises(LostClaim):
        converted.ports.fence(0, MODEL)
    assert converted.calls() == []


def test_a_worker_that_was_frozen_finds_out_at_the_fence_that_its_record_was_given_away(
    converted: Scene,
) -> None:
    converted.clock.offset = LEASE_S * 2
    converted.given_to_another()
    with pytest.raises(LostClaim):
        converted.ports.fence(0, MODEL)
    assert converted.heartbeats == 1
    assert converted.calls() == []


def test_a_worker_whose_lease_is_old_renews_it_before_it_pays(converted: Scene) -> None:
    converted.clock.offset = LEASE_S * 0.75
    assert converted.ports.fence(0, MODEL)
    assert converted.heartbeats == 1


def test_a_fresh_lease_is_not_renewed_for_each_call(converted: Scene) -> None:
    converted.ports.fence(0, MODEL)
    converted.ports.fence(1, MODEL)
    assert converted.heartbeats == 0


def test_a_batch_that_was_answered_meanwhile_is_not_paid_again(converted: Scene, records: Records) -> None:
    assert records.work.save_answer(converted.file_id, 1, 1, "of an earlier holder", AN_ANSWER)
    with pytest.raises(HandBack):
        converted.ports.fence(1, MODEL)
    assert converted.calls() == []


def test_a_batch_is_paid_three_times_at_most(converted: Scene) -> None:
    for _ in range(3):
        converted.ports.call_failed(0, converted.ports.fence(0, MODEL), "model_timeout")
    with pytest.raises(TooManyPaidCalls):
        converted.ports.fence(0, MODEL)
    assert converted.ports.fence(1, MODEL)


def test_calls_that_cost_nothing_do_not_count(converted: Scene) -> None:
    for _ in range(4):
        converted.ports.call_failed(0, converted.ports.fence(0, MODEL), "model_rate_limited")
    assert converted.ports.fence(0, MODEL)


def test_no_call_begins_when_a_stop_was_asked_for(converted: Scene) -> None:
    converted.stop.ask()
    with pytest.raises(HandBack):
        converted.ports.fence(0, MODEL)
    assert converted.calls() == []


def test_no_call_begins_that_could_not_end_before_the_deadline(records: Records, tmp_path: Path) -> None:
    scene = Scene(records, tmp_path, call_time_s=120)
    scene.ports.converted(1)
    scene.clock.offset = JOB_S - 100
    scene.holding.renewed(scene.clock())
    with pytest.raises(TookTooLong):
        scene.ports.fence(0, MODEL)
    assert scene.calls() == []


def test_an_answer_is_kept_even_when_the_hold_was_lost_meanwhile(converted: Scene, records: Records) -> None:
    call_id = converted.ports.fence(0, MODEL)
    converted.given_to_another()
    converted.ports.save_answer(0, call_id, AN_ANSWER)
    record = records.get(converted.file_id)
    assert record["answers"]["0"]["text"] == AN_ANSWER.text
    assert record["unanswered"] == [1, 2]
    assert "ended_at" in record["calls"][0]


def test_an_answer_that_arrives_during_the_conversion_is_part_of_the_plan(
    scene: Scene, records: Records
) -> None:
    records.put(scene.file_id, pages_per_call=1)  # planned by an earlier holder, whose call is under way
    assert records.work.save_answer(scene.file_id, 1, 1, "late", AN_ANSWER)
    scene.ports.converted(3)
    assert scene.answers == {1: AN_ANSWER}
    assert records.get(scene.file_id)["unanswered"] == [0, 2]


def test_an_answer_under_another_plan_makes_the_next_attempt_follow_that(
    scene: Scene, records: Records
) -> None:
    records.put(scene.file_id, pages_per_call=10)
    assert records.work.save_answer(scene.file_id, 0, 10, "late", AN_ANSWER)
    with pytest.raises(HandBack):
        scene.ports.converted(3)


def test_pages_come_back_as_they_were_stored(scene: Scene) -> None:
    jpeg = _jpeg(30, 20)
    scene.ports.save_page(Page(1, jpeg, 30, 20, "text of the page, with ümläuts"))
    scene.ports.save_page(Page(2, jpeg, 30, 20, ""))
    assert scene.ports._storage.get(thumb_key(scene.file_id, 1))[:2] == b"\xff\xd8"
    assert scene.ports.load_page(1) == Page(1, jpeg, 30, 20, "text of the page, with ümläuts")
    assert scene.ports.load_page(2) == Page(2, jpeg, 30, 20, "")
    with pytest.raises(KeyError):
        scene.ports.load_page(3)


def test_progress_is_told_four_times_a_second_at_most(converted: Scene, records: Records) -> None:
    before = records.get(converted.file_id)["revision"]
    for page in range(1, 100):
        converted.ports.progress("analysing", page, 100)
    few = records.get(converted.file_id)["revision"] - before
    assert few < 50
    converted.ports._told_at = 0.0
    converted.ports.progress("analysing", 50, 100)
    assert records.get(converted.file_id)["progress"]["pages_done"] == 50


def test_beginning_and_end_of_a_stage_are_told_by_the_change_of_status(
    converted: Scene, records: Records
) -> None:
    converted.ports._told_at = 0.0
    before = records.get(converted.file_id)["revision"]
    converted.ports.progress("analysing", 0, 100)
    converted.ports.progress("analysing", 100, 100)
    assert records.get(converted.file_id)["revision"] == before


def test_progress_that_finds_the_record_given_away_stops_the_work(converted: Scene) -> None:
    converted.ports._told_at = 0.0
    converted.given_to_another()
    with pytest.raises(LostClaim):
        converted.ports.progress("analysing", 2, 3)
    with pytest.raises(LostClaim):
        converted.ports.check()


def test_a_wish_to_stop_interrupts_the_drawing_of_pages_but_not_the_end_of_an_analysis(scene: Scene) -> None:
    scene.stop.ask()
    with pytest.raises(HandBack):
        scene.ports.progress("converting", 1, 2)
    scene.ports.progress("analysing", 2, 2)


def _jpeg(width: int, height: int) -> bytes:
    import numpy
    import simplejpeg

    return bytes(simplejpeg.encode_jpeg(numpy.zeros((height, width, 3), dtype=numpy.uint8)))
