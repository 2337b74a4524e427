"""What became of every document: lost, stuck, done twice, paid for twice and why. Pure: no store is asked."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.domain.status import TERMINAL, Status
from tests.chaos.documents import number_in
from tests.chaos.faults import DEATHS, Event

Record = Mapping[str, Any]

TIME_OUTS: Final = frozenset({"model_timeout", "model_connection_lost"})
FROZEN: Final = frozenset({"freeze", "standstill"})
SLACK_S: Final = 0.5
"""Clocks of the database and of this process, and the moment between a signal and its note."""
CALL_S: Final = 15.0
"""No call lasts longer, heard or not."""
EVERYBODY: Final = "*"


@dataclass(frozen=True)
class Verdict:
    """The counts of the last line."""

    accepted: int
    lost: list[str]
    stuck: list[str]
    duplicated: list[str]
    paid_calls: int
    extra_paid: int
    unexplained: list[str]
    explained: Counter[str]


def judge(
    accepted: Mapping[int, str],
    records: Iterable[Record],
    requests: Iterable[Mapping[str, Any]],
    events: Sequence[Event],
) -> Verdict:
    """`requests` are the model server's log lines."""
    by_id = {str(record["_id"]): record for record in records}
    asked = defaultdict(list)
    for request in requests:
        asked[request["number"]].append(request)
    lost = [
        f"document {number} ({file_id}): {_fate(by_id.get(file_id))}"
        for number, file_id in accepted.items()
        if by_id.get(file_id, {}).get("status") != Status.DONE
    ]
    stuck = [f"{file_id}: {_fate(one)}" for file_id, one in by_id.items() if not _ended(one)]
    unexplained: list[str] = []
    explained: Counter[str] = Counter()
    extra_paid = 0
    by_number = _by_number(by_id.values())
    for number, calls in asked.items():
        extra = max(0, sum(call["status"] == 200 for call in calls) - 1)
        extra_paid += extra
        reasons, without = explanations(by_number.get(number, []), len(calls), events)
        explained.update(reasons[:extra])
        unexplained += [f"document {number}: a call without an intent"] * without
        unexplained += [f"document {number}: paid again for no reason"] * max(
            0, extra - len(reasons) - without
        )
    return Verdict(
        accepted=len(accepted),
        lost=lost,
        stuck=stuck,
        duplicated=_duplicated(by_number, by_id.values()),
        paid_calls=sum(call["status"] == 200 for calls in asked.values() for call in calls),
        extra_paid=extra_paid,
        unexplained=unexplained,
        explained=explained,
    )


def explanations(records: Sequence[Record], requests: int, events: Sequence[Event]) -> tuple[list[str], int]:
    """Why calls of this document may have been paid and not counted; and how many had no intent at all."""
    intents = [(record, intent) for record in records for intent in record.get("calls", [])]
    reasons = [reason for record, intent in intents if (reason := _reason(record, intent, events))]
    return reasons, max(0, requests - len(intents))


def _reason(record: Record, intent: Record, events: Sequence[Event]) -> str | None:
    """The death, freeze or time-out between an intent and its saved answer."""
    if intent.get("error") in TIME_OUTS:
        return "time-out"
    if intent.get("error"):
        return None
    began, ended = _seconds(intent["at"]), _saved_at(record, intent)
    worker = _worker_of(record, intent)
    for event in events:
        concerns = EVERYBODY in event.workers or worker in event.workers
        if concerns and event.at <= ended + SLACK_S and event.until >= began - SLACK_S:
            if event.kind in DEATHS:
                return "death"
            if event.kind in FROZEN:
                return "freeze"
    return None


def _saved_at(record: Record, intent: Record) -> float:
    """When this call's own answer was saved; as long as a call can last where none was."""
    for answer in record.get("answers", {}).values():
        if answer["call_id"] == intent["id"]:
            return _seconds(answer["at"])
    if "ended_at" in intent:
        return _seconds(intent["ended_at"])
    return _seconds(intent["at"]) + CALL_S


def _worker_of(record: Record, intent: Record) -> str | None:
    """Whose claim this intent was made under: the last one before it."""
    claims = [at for at in claims_of(record) if _seconds(at) <= _seconds(intent["at"]) + SLACK_S / 5]
    if not claims:
        return None
    return next((one["worker"] for one in record["attempts"] if one["at"] == claims[-1]), None)


def claims_of(record: Record) -> list[datetime]:
    """When it was claimed, in order."""
    return sorted(line["at"] for line in record.get("timeline", []) if line["status"] == Status.PROCESSING)


def recoveries(
    records: Iterable[Record], events: Sequence[Event], idle: Sequence[float], step_s: float
) -> list[tuple[float, str]]:
    """For each document whose worker was killed: the seconds until the next claim in which somebody was idle.

    `idle` are the moments, `step_s` apart, at which a worker was free and both stores were up.
    """
    times = []
    for record in records:
        claims = [_seconds(at) for at in claims_of(record)]
        for attempt in record.get("attempts", []):
            died = _death_of(attempt, events)
            again = next((at for at in claims if died is not None and at > died), None)
            if died is not None and again is not None:
                seconds = step_s * sum(died <= moment <= again for moment in idle)
                where = f"{record['_id']} after {attempt['worker']} died at {died:.1f}"
                times.append((seconds, f"{where}, claimed again {again - died:.1f} s later"))
    return sorted(times)


def _death_of(attempt: Record, events: Sequence[Event]) -> float | None:
    """When the worker of this attempt was killed, if that is how the attempt ended."""
    if attempt.get("code") != "worker_died":
        return None
    began = _seconds(attempt["at"])
    ended = began + attempt["duration_s"] + SLACK_S
    deaths = (e.at for e in events if e.kind in DEATHS and attempt["worker"] in e.workers)
    return next((at for at in deaths if began - SLACK_S <= at <= ended), None)


def _by_number(records: Iterable[Record]) -> dict[int, list[Record]]:
    found = defaultdict(list)
    for record in records:
        number = number_in(record.get("options", {}).get("prompt", ""))
        if number is not None:
            found[number].append(record)
    return found


def _duplicated(by_number: Mapping[int, Sequence[Record]], records: Iterable[Record]) -> list[str]:
    """Two records for one upload, or two ends of one record."""
    twice = [
        f"document {number}: {len(found)} records" for number, found in by_number.items() if len(found) > 1
    ]
    for record in records:
        ends = sum(line["status"] == Status.DONE for line in record.get("timeline", []))
        if ends > 1:
            twice.append(f"{record['_id']}: ended {ends} times")
    return twice


def _ended(record: Record) -> bool:
    return "deleted_at" in record or record["status"] in TERMINAL


def _fate(record: Record | None) -> str:
    if record is None:
        return "no record"
    return f"{record['status']} {(record.get('error') or {}).get('code', '')}".strip()


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
