"""`./run.sh demo`: one document from upload to result, over HTTP as any client would do it."""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

from app.domain.status import TERMINAL, Status
from app.launch.screen import say
from app.launch.service import Service
from app.launch.summary import reader

POLL_S: Final = 0.05
MOST_S: Final = 1800.0


class DemoFailed(Exception):
    """The document was not analysed; the text says why."""


def show(service: Service, file: Path, stopped: Callable[[], bool]) -> int:
    """Exit code 0 only when the document's status is `api call done`."""
    say(f"Ready: {service.url}. Reader: {reader(service)}.\n")
    with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
        file_id = _upload(client, file)
        record = _follow(client, file_id, service.poll, stopped)
    if record is None:
        return 130
    if record["status"] != Status.DONE:
        error = record.get("error") or {}
        raise DemoFailed(f"\nThe document ended as {record['status']}: {_reason(error)}")
    say(f"\n{record.get('result') or ''}")
    return 0


def _upload(client: httpx.Client, file: Path) -> str:
    say(f"POST /upload  file=@{file}")
    began = time.monotonic()
    with file.open("rb") as content:
        answer = client.post("/upload", files={"file": (file.name, content)})
    took = (time.monotonic() - began) * 1000
    if answer.status_code != 202:
        raise DemoFailed(f"The upload was refused with {answer.status_code}: {_reason(_json(answer))}")
    file_id = str(answer.json()["file_id"])
    say(f"202 after {took:.0f} ms, file_id {file_id}\n\nGET /{file_id}")
    return file_id


def _follow(
    client: httpx.Client, file_id: str, tick: Callable[[], None], stopped: Callable[[], bool]
) -> dict[str, Any] | None:
    """Print each entry of the record's timeline as it comes; the record at its end, None when stopped."""
    shown = 0
    deadline = time.monotonic() + MOST_S
    while not stopped():
        tick()
        answer = client.get(f"/{file_id}")
        if answer.status_code == 200:
            record: dict[str, Any] = answer.json()
            timeline = record.get("timeline") or [{"status": record["status"]}]
            for entry in timeline[shown:]:
                say(f"  {_since(timeline[0], entry):>9}  {entry['status']}")
            shown = max(shown, len(timeline))
            if record["status"] in TERMINAL:
                return record
        if time.monotonic() > deadline:
            raise DemoFailed(f"No end after {MOST_S:.0f} s.")
        time.sleep(POLL_S)
    return None


def _since(first: dict[str, Any], entry: dict[str, Any]) -> str:
    try:
        gone = datetime.fromisoformat(entry["at"]) - datetime.fromisoformat(first["at"])
    except (KeyError, TypeError, ValueError):
        return ""
    return f"{gone.total_seconds():.3f} s"


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _reason(problem: dict[str, Any]) -> str:
    code = problem.get("code", "unknown")
    return f"{code}: {problem.get('message') or problem.get('detail') or 'no reason given'}"
