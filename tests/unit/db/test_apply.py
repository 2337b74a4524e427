"""A change through lost replies: repeated, and read back when the repeat matches nothing."""

from typing import Any

import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure

from app.db import apply as apply_module
from app.db.apply import apply
from app.db.transitions.change import Change

CHANGE = Change({"_id": 1, "status": "queued"}, {"$set": {"status": "x"}}, {"_id": 1, "mark": "m"})


class Result:
    def __init__(self, matched: int) -> None:
        self.matched_count = matched


class FakeFiles:
    """Answers each update with the next of `replies`; `landed` is what a read-back finds."""

    def __init__(self, replies: list[int | Exception], landed: int = 0) -> None:
        self._replies = replies
        self._landed = landed
        self.updates = 0
        self.read_back = 0

    def update_one(self, filter_: Any, update: Any, **options: Any) -> Result:
        assert options == CHANGE.options
        self.updates += 1
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return Result(reply)

    def count_documents(self, filter_: Any, limit: int) -> int:
        self.read_back += 1
        assert filter_ == CHANGE.landed
        return self._landed


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_module, "PAUSE_S", 0.0)


def run(files: FakeFiles, patience_s: float = 10.0) -> bool:
    return apply(files, CHANGE, patience_s)  # type: ignore[arg-type]


def test_a_match_is_stored() -> None:
    assert run(FakeFiles([1]))


def test_no_match_without_doubt_is_a_plain_no() -> None:
    files = FakeFiles([0], landed=1)
    assert not run(files)
    assert files.read_back == 0, "another's write must not be taken for ours"


def test_a_lost_reply_whose_write_had_arrived_counts_as_stored() -> None:
    assert run(FakeFiles([AutoReconnect("lost"), 0], landed=1))


def test_a_lost_reply_whose_write_had_not_arrived_is_repeated() -> None:
    files = FakeFiles([AutoReconnect("lost"), 1])
    assert run(files)
    assert files.updates == 2


def test_a_lost_reply_and_a_record_that_went_elsewhere_is_a_no() -> None:
    assert not run(FakeFiles([AutoReconnect("lost"), 0], landed=0))


def test_a_server_that_shuts_down_is_waited_for() -> None:
    assert run(FakeFiles([OperationFailure("shutting down", 11600), 1]))


def test_patience_ends() -> None:
    with pytest.raises(AutoReconnect):
        run(FakeFiles([AutoReconnect("lost")]), patience_s=0)


@pytest.mark.parametrize("error", [OperationFailure("bad", 2), DuplicateKeyError("dup", 11000)])
def test_a_refusal_is_not_repeated(error: Exception) -> None:
    files = FakeFiles([error])
    with pytest.raises(type(error)):
        run(files)
    assert files.updates == 1
