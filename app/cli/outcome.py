"""What has become of each document: on standard output, or in a folder."""

import json
import sys
from pathlib import Path
from typing import Any

from app.cli.exits import Exit, words
from app.cli.jobs import Job
from app.cli.safe import put, put_json, tell
from app.client import ApiError


class Outcome:
    """Gets each job as it ends. `close` shows what must not be written between a terminal's bars."""

    def __init__(self, *, as_json: bool, folder: Path | None, headed: bool) -> None:
        self._as_json = as_json
        self._folder = folder
        self._headed = headed
        self._held: list[Job] | None = [] if sys.stdout.isatty() and sys.stderr.isatty() else None
        self._names: set[str] = set()
        self.unwritten = False
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, job: Job) -> None:
        if self._held is None:
            self._show(job)
        else:
            self._held.append(job)

    def close(self) -> None:
        held, self._held = self._held or [], None
        for job in held:
            self._show(job)

    def _show(self, job: Job) -> None:
        if self._folder is not None and job.document is not None and job.document.done:
            self._write(self._folder, job)
        if self._as_json:
            put_json(as_json(job))
        elif self._folder is None and job.document is not None and job.document.done:
            if self._headed:
                put(f"==> {job.label} <==")
            put((job.document.result or "") + ("\n" if self._headed else ""))

    def _write(self, folder: Path, job: Job) -> None:
        """Under the name of the file that was sent: the server's word is no path."""
        assert job.document is not None
        stem = job.path.stem if job.path is not None else str(job.file_id)
        stem = f"{stem}-{job.file_id}" if stem in self._names else stem
        self._names.add(stem)
        try:
            (folder / f"{stem}.md").write_text(job.document.result or "", encoding="utf-8")
            (folder / f"{stem}.json").write_text(
                json.dumps(job.document.raw, indent=2) + "\n", encoding="utf-8"
            )
        except OSError as error:
            self.unwritten = True
            tell(f"--out: {stem}.md cannot be written ({error.strerror}). Again: result {job.file_id}")
        else:
            tell(f"{job.label}: written to {folder / stem}.md")


def as_json(job: Job) -> dict[str, Any]:
    """The server's record, with the file it came from; without a record, what went wrong."""
    made: dict[str, Any] = {} if job.path is None else {"file": str(job.path)}
    if job.document is not None:
        made |= job.document.raw
    elif job.file_id is not None:
        made["_id"] = job.file_id
    error = job.error
    if isinstance(error, ApiError):
        made["error"] = {"code": error.code, "message": error.message, "retryable": error.retryable}
        made["request_id"] = error.request_id
    elif error is not None:
        made["note"] = words(error)
    return made


def worst(jobs: list[Job], outcome: Outcome) -> Exit:
    codes = [job.exit() for job in jobs]
    return max([*codes, Exit.FAILED if outcome.unwritten else Exit.DONE])
