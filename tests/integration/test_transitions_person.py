"""Uploads and a person's requests on a real server: the API's side of the records."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import TypeVar

import pytest
from pymongo.errors import DuplicateKeyError

from app.db.client import async_client, async_database
from app.db.collections.files import Files
from app.domain.errors import Failure
from app.domain.file import PUBLIC_OWNER, new_id, new_token
from tests.support.records import AN_ANSWER, Records, a_hold

T = TypeVar("T")
FACTS = {"name": "resume.pdf", "blob": "x", "size": 9, "sha256": "0" * 64}
FAILURE = Failure("a_code", "A message.", retryable=True)
Ask = Callable[[Callable[[Files], Awaitable[T]]], T]


@pytest.fixture
def records(mongo_url: str, mongo_db: str) -> Iterator[Records]:
    with Records(mongo_url, mongo_db) as opened:
        yield opened


@pytest.fixture
def ask(mongo_url: str, mongo_db: str) -> Ask[T]:
    """Runs one conversation with `Files` in an event loop of its own."""

    def run(talk: Callable[[Files], Awaitable[T]]) -> T:
        async def conversation() -> T:
            async with async_client(mongo_url) as client:
                return await talk(Files(async_database(client, mongo_db)))

        return asyncio.run(conversation())

    return run


def failed(records: Records) -> object:
    file_id, hold = records.claimed()
    assert records.work.fail(file_id, hold.token, FAILURE, {"at": records.work.now()})
    return file_id


def test_only_the_upload_that_holds_the_record_may_queue_it(records: Records, ask: Ask[bool]) -> None:
    file_id, token = records.saving()
    assert not ask(lambda files: files.accept(file_id, new_token(), FACTS))
    assert ask(lambda files: files.accept(file_id, token, FACTS))
    assert not ask(lambda files: files.accept(file_id, token, FACTS))
    assert records.status(file_id) == "queued"


def test_a_queued_record_cannot_be_discarded_by_its_upload(records: Records, ask: Ask[bool]) -> None:
    file_id, token = records.saving()
    assert ask(lambda files: files.accept(file_id, token, FACTS))
    assert not ask(lambda files: files.discard_upload(file_id, token))
    assert records.status(file_id) == "queued"


def test_a_rejected_upload_leaves_no_record(records: Records, ask: Ask[bool]) -> None:
    file_id, token = records.saving()
    assert not ask(lambda files: files.discard_upload(file_id, new_token()))
    assert ask(lambda files: files.discard_upload(file_id, token))
    assert records.gone(file_id)


def test_arriving_bytes_keep_the_upload_s_lease(records: Records, ask: Ask[bool]) -> None:
    file_id, token = records.saving(lease_s=1)
    assert ask(lambda files: files.renew_upload(file_id, token, 60))
    assert records.get(file_id)["lease"]["until"] > records.work.now() + timedelta(seconds=30)
    assert not ask(lambda files: files.renew_upload(file_id, new_token(), 60))


def test_one_idempotency_key_makes_one_record_for_each_owner(records: Records, ask: Ask[None]) -> None:
    first, _ = records.saving(key="k")
    records.saving(owner="another", key="k")
    with pytest.raises(DuplicateKeyError):
        ask(lambda files: files.insert_saving(new_id(), new_token(), PUBLIC_OWNER, 30, idempotency_key="k"))
    found = ask(lambda files: files.find_by_idempotency_key(PUBLIC_OWNER, "k"))  # type: ignore[arg-type]
    assert found["_id"] == first


def test_records_without_a_key_do_not_collide(records: Records) -> None:
    assert records.queued() != records.queued()


def test_a_key_is_freed_only_when_its_time_is_over(records: Records, ask: Ask[bool]) -> None:
    file_id = records.queued(key="k")
    now = records.work.now()
    assert not ask(lambda files: files.forget_idempotency_key(file_id, "k", now))
    assert ask(lambda files: files.forget_idempotency_key(file_id, "k", now + timedelta(hours=25)))
    records.saving(key="k")


def test_another_owner_s_record_is_not_there(records: Records, ask: Ask[object]) -> None:
    file_id = records.queued(owner="me")
    assert ask(lambda files: files.find(file_id, "me"))
    assert ask(lambda files: files.find(file_id, "you")) is None
    assert not ask(lambda files: files.cancel(file_id, "you"))
    assert not ask(lambda files: files.retry(file_id, "you"))
    assert ask(lambda files: files.bury(file_id, "you")) is None
    assert records.status(file_id) == "queued"


def test_a_caller_never_sees_what_is_internal(records: Records, ask: Ask[dict[str, object]]) -> None:
    file_id, _, call_id = records.fenced()
    records.work.save_answer(file_id, 0, 1, call_id, AN_ANSWER)
    seen = ask(lambda files: files.find(file_id, PUBLIC_OWNER))  # type: ignore[arg-type,return-value]
    assert not {"answers", "calls", "lease", "active_key", "paid_calls"} & set(seen)


def test_a_cancelled_record_stops_its_worker(records: Records, ask: Ask[bool]) -> None:
    file_id, hold = records.converted()
    assert ask(lambda files: files.cancel(file_id, PUBLIC_OWNER))
    assert records.status(file_id) == "cancelled"
    assert not records.work.fence(file_id, hold.token, new_token(), 0, "m")
    assert not ask(lambda files: files.cancel(file_id, PUBLIC_OWNER))


@pytest.mark.parametrize("state", ["saving", "api call done", "failed"])
def test_what_has_no_work_cannot_be_cancelled(records: Records, ask: Ask[bool], state: str) -> None:
    file_id = records.queued(status=state)
    assert not ask(lambda files: files.cancel(file_id, PUBLIC_OWNER))


def test_a_retry_starts_the_attempts_again_and_keeps_what_was_paid(records: Records, ask: Ask[bool]) -> None:
    file_id, hold, call_id = records.fenced()
    assert records.work.save_answer(file_id, 0, 1, call_id, AN_ANSWER)
    assert records.work.fail(file_id, hold.token, FAILURE, {"at": records.work.now()})
    assert ask(lambda files: files.retry(file_id, PUBLIC_OWNER))
    record = records.get(file_id)
    assert (record["status"], record["attempts_made"], record["error"]) == ("queued", 0, None)
    assert record["answers"]["0"]["text"] == "an answer"
    assert record["unanswered"] == []


def test_a_retry_of_an_unpaid_document_plans_anew(records: Records, ask: Ask[bool]) -> None:
    file_id, hold = records.converted()
    assert records.work.fail(file_id, hold.token, FAILURE, {"at": records.work.now()})
    assert ask(lambda files: files.retry(file_id, PUBLIC_OWNER))
    assert not {"pages", "pages_per_call", "unanswered", "paid_calls"} & set(records.get(file_id))


@pytest.mark.parametrize("state", ["saving", "queued", "processing", "conversion complete", "api call done"])
def test_only_what_failed_or_was_cancelled_is_retried(records: Records, ask: Ask[bool], state: str) -> None:
    file_id = records.queued(status=state)
    assert not ask(lambda files: files.retry(file_id, PUBLIC_OWNER))


def test_two_retries_at_once_queue_it_once(records: Records, ask: Ask[list[bool]]) -> None:
    file_id = failed(records)

    async def both(files: Files) -> list[bool]:
        return list(
            await asyncio.gather(*(files.retry(file_id, PUBLIC_OWNER) for _ in range(8)))  # type: ignore[arg-type]
        )

    assert sum(ask(both)) == 1


def test_a_deleted_record_is_a_tombstone_that_nothing_can_write_to(records: Records, ask: Ask[bool]) -> None:
    file_id, hold, call_id = records.fenced()
    assert ask(lambda files: files.bury(file_id, PUBLIC_OWNER))
    stone = records.get(file_id)
    assert set(stone) == {"_id", "owner", "sha256", "blob", "deleted_at"}
    assert not records.work.save_answer(file_id, 0, 1, call_id, AN_ANSWER)
    assert not records.work.heartbeat(file_id, hold.token, 30)
    assert ask(lambda files: files.find(file_id, PUBLIC_OWNER)) is None
    assert records.work.find(file_id) is None
    assert records.get(file_id) == stone


def test_a_second_delete_is_the_owner_s_to_know(records: Records, ask: Ask[bool]) -> None:
    file_id = records.queued()
    assert ask(lambda files: files.bury(file_id, PUBLIC_OWNER))
    assert ask(lambda files: files.bury(file_id, PUBLIC_OWNER)) is None
    assert ask(lambda files: files.is_tombstone(file_id, PUBLIC_OWNER))
    assert not ask(lambda files: files.is_tombstone(file_id, "another"))


def test_an_upload_under_way_cannot_be_deleted(records: Records, ask: Ask[object]) -> None:
    file_id, _ = records.saving()
    assert ask(lambda files: files.bury(file_id, PUBLIC_OWNER)) is None


def test_the_position_counts_who_was_queued_before(records: Records, ask: Ask[int]) -> None:
    ids = [records.queued(queued_at=records.work.now() + timedelta(seconds=n)) for n in range(3)]
    last = records.get(ids[2])["queued_at"]
    assert ask(lambda files: files.position(last)) == 2


def test_the_database_keeps_the_first_storage_s_id(ask: Ask[str]) -> None:
    assert ask(lambda files: files.storage_id("one")) == "one"
    assert ask(lambda files: files.storage_id("two")) == "one"


def test_the_intake_s_bells_are_noted_once_and_only_where_a_document_still_waits(
    records: Records, ask: Ask[int]
) -> None:
    waiting, (claimed, _) = [records.queued(), records.queued()], records.claimed()
    assert ask(lambda files: files.rung([*waiting, claimed], "epoch")) == 2
    assert ask(lambda files: files.rung([*waiting, claimed], "later")) == 0
    assert {records.get(file_id)["rung_epoch"] for file_id in waiting} == {"epoch"}
    assert "rung_at" not in records.get(claimed)


def test_whoever_holds_the_record_is_not_asked_by_pid_alone(records: Records) -> None:
    records.claimed(a_hold(pid=5, host="here"))
    assert not records.work.held_by("elsewhere", 5)
