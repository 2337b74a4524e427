"""The event is part of the update that ends a document, whichever transition ends it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.db.transitions import intake, mend, person, work
from app.db.transitions.change import Change
from app.domain.errors import Failure
from app.domain.file import new_id
from app.domain.result import Analysis, Usage
from app.domain.status import Status

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ID = new_id()
FAILURE = Failure("a_code", "A message.", retryable=False)
SEEN: dict[str, Any] = {"_id": ID, "revision": 7, "lease": {"token": "t", "until": NOW}}
ENDS: dict[str, tuple[Change, str]] = {
    "finish": (work.finish(ID, "t", NOW, Analysis("text", "m", Usage(1, 1)), {}), "file.completed"),
    "fail": (work.fail(ID, "t", NOW, FAILURE, {}), "file.failed"),
    "expire to failed": (mend.expire_to_failed(SEEN, NOW, FAILURE, {}), "file.failed"),
    "give up waiting": (mend.give_up_waiting(SEEN, NOW, FAILURE, "mark"), "file.failed"),
    "cancel": (person.cancel(ID, "me", "mark", NOW), "file.cancelled"),
}
GOES_ON = {
    "accept": intake.accept_upload(ID, "t", NOW, {}),
    "expire to queue": mend.expire_to_queue(SEEN, NOW, {}),
    "retry": person.retry(ID, "me", "mark", NOW, 7, keep_plan=True),
}


@pytest.mark.parametrize(("change", "event"), ENDS.values(), ids=ENDS)
def test_every_end_stores_its_event_in_the_same_update(change: Change, event: str) -> None:
    stored = change.update["$push"]["outbox"]
    assert (stored["type"], stored["at"]) == (event, NOW)
    assert stored["id"].startswith("msg_")
    assert change.update["$set"]["undelivered"] is True


@pytest.mark.parametrize("change", GOES_ON.values(), ids=GOES_ON)
def test_a_document_that_goes_on_has_no_event(change: Change) -> None:
    assert "outbox" not in change.update.get("$push", {})
    assert "undelivered" not in change.update["$set"]


def test_two_ends_are_two_events() -> None:
    ends = [person.cancel(ID, "me", "mark", NOW).update["$push"]["outbox"]["id"] for _ in range(2)]
    assert len(set(ends)) == 2


def test_deleting_keeps_an_event_that_was_not_handed_on_and_nothing_else_of_the_person() -> None:
    event = {"id": "msg_1", "type": "file.completed", "at": NOW}
    record = {"owner": "me", "name": "my resume.pdf", "result": "text", "webhook_url": "https://a.example"}
    waiting = record | {"undelivered": True, "outbox": [event], "status": str(Status.DONE)}
    assert person.tombstone(record, NOW) == {"owner": "me", "deleted_at": NOW}
    assert person.tombstone(waiting, NOW) == {
        "owner": "me",
        "deleted_at": NOW,
        "undelivered": True,
        "outbox": [event],
        "webhook_url": "https://a.example",
    }
