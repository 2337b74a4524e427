"""The reconciler on real stores: what is overdue is mended once, what is not is left alone."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from tests.support.reconciling import Scene
from tests.support.records import AN_ANSWER, Records, a_hold

DAY = timedelta(days=1)


@pytest.fixture
def scene(mongo_url: str, mongo_db: str, tmp_path: Path) -> Iterator[Scene]:
    with Records(mongo_url, mongo_db) as records:
        yield Scene(mongo_url, mongo_db, tmp_path / "files", records)


def test_a_dead_worker_s_document_is_queued_and_rung_for_in_one_tick(scene: Scene) -> None:
    file_id, hold = scene.records.claimed(a_hold("worker-9"))
    scene.records.expire(file_id)
    assert scene.tick() == {"lease_expired": 1, "rung": 1}
    record = scene.records.get(file_id)
    assert record["status"] == "queued"
    assert record["attempts"][0]["code"] == "worker_died"
    assert record["attempts"][0]["worker"] == "worker-9"
    assert "lease" not in record
    assert record["left_by"] == hold.token
    assert scene.bell.rung == scene.bell.first == [str(file_id)], "it has waited its turn already"


def test_a_living_worker_s_document_is_left_alone(scene: Scene) -> None:
    file_id, _ = scene.records.claimed()
    before = scene.records.get(file_id)
    assert scene.tick() == {}
    assert scene.records.get(file_id) == before


def test_of_many_reconcilers_one_acts(scene: Scene) -> None:
    ids = [scene.records.claimed()[0] for _ in range(10)] + [scene.records.converted()[0] for _ in range(10)]
    for file_id in ids:
        scene.records.expire(file_id)
    assert scene.tick(reconcilers=4) == {"lease_expired": 20, "rung": 20}
    assert sorted(scene.bell.rung) == sorted(map(str, ids))


def test_twins_of_a_document_whose_last_attempt_died_are_woken_and_rung_for(scene: Scene) -> None:
    first, _ = scene.records.claimed(analysis_key="same", attempts_made=5)
    twin = scene.records.queued()
    assert scene.records.work.claim(twin, a_hold(), 30, 5, "same") is None
    scene.records.expire(first)
    assert scene.tick() == {"lease_expired_for_good": 1, "rung": 1}
    assert scene.bell.rung == [str(twin)]
    assert scene.records.work.claim(twin, a_hold(), 30, 5, "same")


def test_the_last_attempt_s_death_fails_the_document_with_a_reason(scene: Scene) -> None:
    file_id, _ = scene.records.claimed(attempts_made=5)
    scene.records.expire(file_id)
    assert scene.tick() == {"lease_expired_for_good": 1}
    record = scene.records.get(file_id)
    assert record["status"] == "failed"
    assert (record["error"]["code"], record["error"]["retryable"]) == ("worker_died", True)
    assert "MAX_ATTEMPTS" in record["error"]["message"]
    assert scene.bell.rung == []


def test_a_fully_answered_document_goes_on_whatever_its_attempts(scene: Scene) -> None:
    file_id, _, call_id = scene.records.fenced()
    assert scene.records.work.save_answer(file_id, 0, 1, call_id, AN_ANSWER)
    scene.records.put(file_id, attempts_made=5)
    scene.records.expire(file_id)
    assert scene.tick()["lease_expired"] == 1
    assert scene.records.work.claim(file_id, a_hold(), 30, 5, "key") is not None


def test_a_document_never_rung_for_is_rung_for_once(scene: Scene) -> None:
    file_id = scene.records.queued(queued_at=scene.now() - timedelta(seconds=2))
    assert scene.tick(reconcilers=4, ticks=2) == {"rung": 1}
    record = scene.records.get(file_id)
    assert record["rung_epoch"] == "epoch-1"


def test_whoever_just_queued_a_document_has_a_moment_to_ring(scene: Scene) -> None:
    scene.records.queued(queued_at=scene.now() + timedelta(seconds=60))
    assert scene.tick() == {}


def test_bells_of_an_emptied_valkey_are_rung_again(scene: Scene) -> None:
    ids = [scene.records.rung("before the flush") for _ in range(5)]
    assert scene.tick(reconcilers=3) == {"rung": 5}
    assert sorted(scene.bell.rung) == sorted(map(str, ids))


def test_a_bell_still_in_the_queue_is_not_rung_again(scene: Scene) -> None:
    file_id = scene.records.rung(ago_s=3600)
    scene.bell.waiting = {str(file_id)}
    assert scene.tick() == {}


def test_a_bell_that_a_worker_took_and_dropped_is_rung_again(scene: Scene) -> None:
    file_id = scene.records.rung(ago_s=11)
    assert scene.tick() == {"rung": 1}
    assert scene.bell.rung == [str(file_id)]


def test_a_bell_rung_a_moment_ago_is_given_time(scene: Scene) -> None:
    scene.records.rung()
    assert scene.tick() == {}


def test_a_document_is_rung_for_when_its_next_try_is_due_and_not_before(scene: Scene) -> None:
    due = scene.records.rung(ago_s=5, next_try_at=scene.now())
    scene.records.queued(next_try_at=scene.now() + timedelta(seconds=60))
    assert scene.tick() == {"rung": 1}
    assert scene.bell.rung == [str(due)]


def test_without_valkey_nothing_is_rung_and_nothing_is_marked(scene: Scene) -> None:
    scene.bell.epoch = None
    file_id = scene.records.queued(queued_at=scene.now() - timedelta(seconds=2))
    assert scene.tick() == {}
    assert "rung_at" not in scene.records.get(file_id)


def test_a_bell_that_nobody_heard_is_rung_at_the_next_tick(scene: Scene) -> None:
    file_id, _ = scene.records.claimed()
    scene.records.expire(file_id)
    scene.bell.deaf = True
    assert scene.tick() == {"lease_expired": 1}
    assert "rung_at" not in scene.records.get(file_id)
    scene.bell.deaf = False
    scene.records.put(file_id, queued_at=scene.now() - timedelta(seconds=2))
    assert scene.tick() == {"rung": 1}


def test_the_longest_waiting_are_rung_for_first_and_no_more_than_a_tick_can_bear(scene: Scene) -> None:
    start = scene.now() - timedelta(hours=1)
    template = scene.records.get(scene.records.queued(next_try_at=scene.now() + DAY))
    scene.records.files.insert_many(
        template | {"_id": ObjectId(), "queued_at": start, "next_try_at": start + timedelta(seconds=n)}
        for n in range(510)
    )
    assert scene.tick() == {"rung": 500}
    last = scene.records.files.find({"rung_at": {"$exists": False}}, {"next_try_at": 1})
    assert sorted(r["next_try_at"] for r in last)[:10] == [
        start + timedelta(seconds=n) for n in range(500, 510)
    ]


def test_a_document_that_waited_too_long_fails_and_says_for_what(scene: Scene) -> None:
    old = scene.records.queued(accepted_at=scene.now() - timedelta(hours=25), waiting_for="provider")
    scene.records.put(old, next_try_at=scene.now() + timedelta(hours=1))
    young = scene.records.rung()
    assert scene.tick(reconcilers=3) == {"document_too_old": 1}
    error = scene.records.get(old)["error"]
    assert (error["code"], error["retryable"]) == ("document_too_old", True)
    assert "MAX_DOCUMENT_AGE_S" in error["message"]
    assert "provider" in error["message"]
    assert scene.records.status(young) == "queued"


def test_a_queued_document_that_nobody_may_claim_fails(scene: Scene) -> None:
    file_id = scene.records.rung(attempts_made=5)
    answered = scene.records.rung(attempts_made=5, unanswered=[])
    assert scene.tick() == {"attempts_used_up": 1}
    assert scene.records.get(file_id)["error"]["code"] == "attempts_used_up"
    assert scene.records.status(answered) == "queued"


def test_an_idempotency_key_whose_day_is_over_may_be_used_again(scene: Scene) -> None:
    over = scene.records.rung(key="k", idempotency_until=scene.now() - timedelta(seconds=1))
    kept = scene.records.rung(key="other")
    assert scene.tick() == {"idempotency_key_freed": 1}
    assert "idempotency_key" not in scene.records.get(over)
    assert scene.records.get(kept)["idempotency_key"] == "other"
