"""Several documents followed at once, from upload (or from where they are) to their end."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from app.cli import display as shown
from app.cli.display import Display
from app.cli.exits import Exit, code_of, words
from app.client import AsyncClient, Document, FullRagError, WaitTimeout

AT_ONCE: Final = 4
"""Files that are sent, and documents that are waited for, at the same time."""


@dataclass(eq=False)
class Job:
    """`path` is None for a document that is on the server already, `file_id` None for one that is not yet."""

    label: str
    path: Path | None = None
    file_id: str | None = None
    document: Document | None = None
    error: FullRagError | None = None

    @property
    def left_behind(self) -> bool:
        """Whether the server works on it and nobody has seen its end."""
        ended = self.document is not None and self.document.ended
        return self.file_id is not None and not ended and isinstance(self.error, WaitTimeout | None)

    def exit(self) -> Exit:
        if self.error is not None:
            return code_of(self.error)
        return Exit.DONE if self.document is not None and self.document.done else Exit.FAILED


@dataclass(frozen=True)
class Wishes:
    prompt: str | None
    timeout_s: float


def follow(
    client: AsyncClient, jobs: Sequence[Job], wishes: Wishes, display: Display, ended: Callable[[Job], None]
) -> None:
    """Each job's `document` or `error` is set when this returns; `ended` is told of each as it ends."""

    async def one(job: Job, turn: asyncio.Semaphore) -> None:
        async with turn:
            try:
                await _one(client, job, wishes, display)
            except FullRagError as error:
                job.error = error
                display.note(job.label, words(error))
            ended(job)

    async def all_of_them() -> None:
        turn = asyncio.Semaphore(AT_ONCE)
        async with client:
            await client.check()
            async with asyncio.TaskGroup() as tasks:
                for job in jobs:
                    tasks.create_task(one(job, turn))

    try:
        asyncio.run(all_of_them())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None  # what no job foresaw


async def _one(client: AsyncClient, job: Job, wishes: Wishes, display: Display) -> None:
    outage = partial(shown.outage, display, job.label)
    if job.file_id is None:
        assert job.path is not None
        size = job.path.stat().st_size
        job.file_id = await client.upload(
            job.path,
            prompt=wishes.prompt,
            on_sent=lambda done: shown.sent(display, job.label, done, size),
            on_outage=outage,
        )
        display.note(job.label, f"accepted as {job.file_id}", 10.0)

    def progress(document: Document) -> None:
        job.document = document
        shown.progress(display, job.label, document)

    job.document = await client.wait(job.file_id, wishes.timeout_s, on_progress=progress, on_outage=outage)
