"""`doctor`: all looks in order, shown to people or to programs."""

import shutil
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.cli.connect import Json
from app.cli.doctor import model, mongo, running, settings, storage, tools, valkey
from app.cli.doctor.finding import Finding, Findings, State, skip
from app.cli.exits import Exit, told
from app.cli.safe import clean, put_json
from app.config import ClientSettings, SharedSettings, environment, load
from app.launch.environment import read_dotenv

COLORS: Final = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red", State.SKIP: "dim"}
WIDE: Final = 120


class Part(StrEnum):
    API = "api"
    WORKER = "worker"
    MAINTENANCE = "maintenance"


Parts = Annotated[
    list[Part] | None,
    typer.Option("--part", help="Look with this process's eyes only, as in its container (default: all)"),
]
EnvFile = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="Settings besides the environment's, as in .data/env of ./run.sh"
    ),
]
Ask = Annotated[
    bool, typer.Option("--ask-model", help="Send the model one small image: it may cost a little")
]
ApiUrl = Annotated[str | None, typer.Option("--url", help="Where the API should answer (else FULL_RAG_URL)")]


def doctor(
    part: Parts = None,
    env_file: EnvFile = None,
    ask_model: Ask = False,
    url: ApiUrl = None,
    as_json: Json = False,
) -> None:
    """Look at every setting and part; say what is wrong and what to do. Exit code 1 if something fails."""
    with told():
        environ = environment() | (read_dotenv(env_file) if env_file else {})
        client = load(ClientSettings, environ)
    named = url is not None or bool(environ.get("FULL_RAG_URL", "").strip())
    parts = [str(one) for one in part or list(Part)]
    found = []
    for finding in examine(environ, parts, url or client.full_rag_url, named=named, ask=ask_model):
        found.append(finding)
        if as_json:
            put_json(
                {"part": finding.part, "state": finding.state, "found": finding.found, "fix": finding.fix}
            )
    if not as_json:
        _print(found)
    raise typer.Exit(int(Exit.FAILED if any(one.state is State.FAIL for one in found) else Exit.DONE))


def examine(environ: Mapping[str, str], parts: list[str], url: str, *, named: bool, ask: bool) -> Findings:
    """Every finding, as it is found."""
    yield from settings.look(environ, parts)
    known = settings.loaded(environ)
    if known.shared is None:
        yield skip("stores", "not looked at before the settings can be used")
    else:
        yield from _stores(known.shared, known)
    if Part.API in parts:
        yield running.api(url, named=named)
    if Part.WORKER in parts and known.worker is not None:
        yield from model.look(known.worker, ask=ask)
        yield from tools.look(known.worker)


def _stores(shared: SharedSettings, known: settings.Loaded) -> Findings:
    client, first = mongo.connect(shared)
    yield from first
    try:
        if client is not None:
            yield from mongo.look(client, shared)
        bell, first = valkey.connect(shared)
        yield from first
        if bell is not None:
            yield from valkey.look(bell)
            bell.close()
        yield from storage.look(shared, client)
        yield running.workers(shared) if bell is not None else skip("workers", "not counted without Valkey")
        if client is not None:
            yield from running.others(shared, known.api, client)
    finally:
        if client is not None:
            client.close()


def _print(found: list[Finding]) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    console = Console(highlight=False, width=width)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in found:
        text = Text(clean(one.found))
        if one.fix:
            text.append(f"\n→ {clean(one.fix)}", style="bold")
        table.add_row(Text(one.state.upper(), style=COLORS[one.state]), one.part, text)
    console.print(table)
    failed = sum(one.state is State.FAIL for one in found)
    warned = sum(one.state is State.WARN for one in found)
    console.print(f"\n{failed} failed, {warned} to think about, {len(found)} looked at.")
