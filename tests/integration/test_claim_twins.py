"""Twins at the claim: one waits for the other, and never misses its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db.collections.work import WorkFiles
from app.db.transitions.change import Change
from app.domain.errors import Failure
from app.queue.q import Doorbell
from tests.support.api import running_api, settings_for
from tests.support.records import Records, a_hold

KEY = "the same analysis"


@pytest.fixture
def records(mongo_url: str, mongo_db: str) -> Iterator[Records]:
    with Records(mongo_url, mongo_db) as one:
        yield one


def test_a_twin_in_work_makes_the_other_wait_and_its_end_wakes_it(records: Records) -> None:
    first, hold = records.claimed(analysis_key=KEY)
    second = records.queued()
    assert records.work.claim(second, a_hold(), 30, 5, KEY) is None
    assert records.get(second)["waiting_for"] == "same document"
    assert records.work.fail(first, hold.token, Failure("code", "message", False), {"n": 1})
    assert records.work.wake_same(KEY) == [second]
    assert records.work.claim(second, a_hold(), 30, 5, KEY)


def test_a_twin_that_ends_between_the_refusal_and_the_waiting_is_not_waited_for(records: Records) -> None:
    first, hold = records.claimed(analysis_key=KEY)
    second = records.queued()

    class Unlucky(WorkFiles):
        """The first ends, and looks whom to wake, right before the second says that it waits."""

        def apply(self, change: Change) -> bool:
            if change.update["$set"].get("waiting_for") and records.status(first) == "processing":
                assert records.work.fail(first, hold.token, Failure("code", "message", False), {"n": 1})
                assert records.work.wake_same(KEY) == []
            return super().apply(change)

    record = Unlucky(records.database).claim(second, a_hold(), 30, 5, KEY)
    assert record is not None
    assert record["status"] == "processing"
    assert "waiting_for" not in record


@pytest.mark.parametrize(("method", "path"), [("POST", "/{}/cancel"), ("DELETE", "/{}")])
def test_twins_of_a_cancelled_or_deleted_document_are_woken_and_rung_for(
    records: Records, tmp_path: Path, mongo_url: str, mongo_db: str, valkey_url: str, method: str, path: str
) -> None:
    # No reconciler may be quicker with the bell: none ticks for a minute after its first.
    settings = settings_for(tmp_path, mongo_url, mongo_db, valkey_url, reconcile_every_s=60)
    with running_api(settings) as api:
        first, _ = records.claimed(analysis_key=KEY)
        twin = records.queued()
        assert records.work.claim(twin, a_hold(), 30, 5, KEY) is None
        assert api.client.request(method, path.format(first)).is_success
        bell = Doorbell(valkey_url)
        assert bell.waiting() == {str(twin)}
        bell.close()
    assert records.work.claim(twin, a_hold(), 30, 5, KEY)
