"""`analyze FILE…` and `watch ID…`: documents from upload to result, with their progress."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer

from app.cli import describe
from app.cli.connect import Ids, Json, Url, async_client
from app.cli.display import Bars, display
from app.cli.exits import Exit, stop, told, words
from app.cli.jobs import Job, Wishes, follow
from app.cli.outcome import Outcome, worst
from app.cli.safe import line, tell

LONGEST_S: Final = 3600.0

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE…", exists=True, dir_okay=False, readable=True, help="Documents to have analysed"
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", file_okay=False, help="Write NAME.md and NAME.json there, not to standard output"
    ),
]
Prompt = Annotated[str | None, typer.Option(help="What to ask about the documents (default: the server's)")]
Timeout = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="Wait for each document no longer; the server goes on")
]


def analyze(
    context: typer.Context,
    files: Files,
    as_json: Json = False,
    out: Out = None,
    prompt: Prompt = None,
    timeout: Timeout = LONGEST_S,
    url: Url = None,
) -> None:
    """Upload files, follow them, show what was found. Exit code 0 only if all are done."""
    names = Counter(path.name for path in files)
    labels = [path.name if names[path.name] == 1 else str(path) for path in files]
    jobs = [Job(label, path) for label, path in dict(zip(labels, files, strict=True)).items()]
    _follow(jobs, Wishes(prompt, timeout), as_json, out, url, context)


def watch(
    context: typer.Context,
    ids: Ids,
    as_json: Json = False,
    out: Out = None,
    timeout: Timeout = LONGEST_S,
    url: Url = None,
) -> None:
    """Follow documents that are on the server already, and show what was found."""
    jobs = [Job(file_id, file_id=file_id) for file_id in dict.fromkeys(ids)]
    _follow(jobs, Wishes(None, timeout), as_json, out, url, context)


def _follow(
    jobs: list[Job],
    wishes: Wishes,
    as_json: bool,
    folder: Path | None,
    url: str | None,
    context: typer.Context,
) -> None:
    program = context.find_root().info_name or "full-rag"
    with told():
        client = async_client(url, patience_s=wishes.timeout_s)
        try:
            outcome = Outcome(as_json=as_json, folder=folder, headed=len(jobs) > 1)
        except OSError as error:
            stop(f"--out: the folder cannot be made ({error.strerror}).", Exit.USAGE)
        try:
            with display() as shown:
                follow(client, jobs, wishes, shown, outcome.add)
        except KeyboardInterrupt:
            outcome.close()
            _come_back(jobs, program, url)
            raise
        except OSError as error:
            if error.filename is None:
                raise
            stop(f"{error.filename}: cannot be read ({error.strerror}).", Exit.USAGE)
        outcome.close()
    if isinstance(shown, Bars):
        _say_what_went_wrong(jobs)
    _come_back(jobs, program, url)
    raise typer.Exit(int(worst(jobs, outcome)))


def _say_what_went_wrong(jobs: list[Job]) -> None:
    """In full: beside a bar there is little room."""
    for job in jobs:
        if job.error is not None:
            tell(f"{job.label}: {words(job.error)}")
        elif job.document is not None and not job.document.done:
            tell(f"{job.label}: {describe.state(job.document)}")


def _come_back(jobs: list[Job], program: str, url: str | None) -> None:
    left = [job.file_id for job in jobs if job.left_behind and job.file_id]
    if left:
        where = f" --url {line(url)}" if url else ""
        tell("The server goes on without this command. Come back with:")
        tell(f"  {program} watch{where} {' '.join(left)}")
