"""Many processes at one record: a claim, an intent, a bell and an active key each have one winner."""

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.pool import Pool

import pytest
from bson import ObjectId

from app.db.apply import apply
from app.db.client import sync_client, sync_database
from app.db.collections.work import WorkFiles
from app.db.db import FILES
from app.db.transitions import mend
from tests.support.records import Records, a_hold

PROCESSES = 4
RECORDS = 60
Job = tuple[str, str, list[ObjectId]]


@pytest.fixture
def records(mongo_url: str, mongo_db: str) -> Iterator[Records]:
    with Records(mongo_url, mongo_db) as opened:
        yield opened


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as made:
        yield made


def claim_all(job: Job) -> list[ObjectId]:
    """In a process of its own: try to claim every record; which ones it got."""
    url, name, ids = job
    with sync_client(url) as client:
        work = WorkFiles(sync_database(client, name))
        return [one for one in ids if work.claim(one, a_hold(), 30, 100, str(one))]


def claim_same(job: Job) -> list[ObjectId]:
    """The same, where all records have one content."""
    url, name, ids = job
    with sync_client(url) as client:
        work = WorkFiles(sync_database(client, name))
        return [one for one in ids if work.claim(one, a_hold(), 30, 100, "one content")]


def ring_all(job: Job) -> list[ObjectId]:
    """Try to be the one that rings for each record, as it stood before anybody rang."""
    url, name, ids = job
    with sync_client(url) as client:
        database = sync_database(client, name)
        work, files = WorkFiles(database), database[FILES]
        seen = [
            {"_id": one, "next_try_at": record["next_try_at"]} for one in ids if (record := work.find(one))
        ]
        return [one["_id"] for one in seen if apply(files, mend.ring(one, work.now(), "epoch"))]


def race(
    pool: Pool, function: Callable[[Job], list[ObjectId]], mongo_url: str, mongo_db: str, ids: list[ObjectId]
) -> list[ObjectId]:
    """What all processes together got."""
    jobs = [(mongo_url, mongo_db, ids)] * PROCESSES
    return [won for wins in pool.map(function, jobs, chunksize=1) for won in wins]


def test_each_record_is_claimed_by_one_process(
    pool: Pool, records: Records, mongo_url: str, mongo_db: str
) -> None:
    ids = [records.queued() for _ in range(RECORDS)]
    assert sorted(race(pool, claim_all, mongo_url, mongo_db, ids)) == sorted(ids)
    assert {records.get(one)["attempts_made"] for one in ids} == {1}


def test_of_equal_documents_one_is_in_work(
    pool: Pool, records: Records, mongo_url: str, mongo_db: str
) -> None:
    ids = [records.queued() for _ in range(12)]
    won = race(pool, claim_same, mongo_url, mongo_db, ids)
    assert len(won) == 1
    assert records.files.count_documents({"active_key": "one content"}) == 1
    assert records.files.count_documents({"waiting_for": "same document"}) == 11


def test_one_of_many_rings_for_a_record(pool: Pool, records: Records, mongo_url: str, mongo_db: str) -> None:
    ids = [records.queued() for _ in range(RECORDS)]
    assert sorted(race(pool, ring_all, mongo_url, mongo_db, ids)) == sorted(ids)
