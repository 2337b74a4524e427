"""One look, one action: `status`, `list`, `result`, `retry`, `cancel`, `delete`."""

import sys
from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.cli import describe
from app.cli.connect import Id, Ids, Json, Url, client
from app.cli.exits import Exit, code_of, stop, told, words
from app.cli.safe import line, put, put_json, tell
from app.client import Client, Document, FullRagError

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]
Most = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many, the newest first")]
OfStatus = Annotated[str | None, typer.Option("--status", help="Only those with it, as in 'failed'")]
PAGE = 100
WIDE = 160


def status(ids: Ids, as_json: Json = False, url: Url = None) -> None:
    """How far documents are."""
    _each(ids, url, lambda server, file_id: _show(server.get(file_id), as_json))


def list_(limit: Most = 20, with_status: OfStatus = None, as_json: Json = False, url: Url = None) -> None:
    """Show documents, newest first."""
    filters = {} if with_status is None else {"status": with_status}
    with told(), client(url) as server:
        found = list(islice(server.list(page_size=min(limit, PAGE), **filters), limit))
    if as_json:
        for document in found:
            put_json(document.raw)
    elif found:
        Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE).print(
            _table(found)
        )
    else:
        tell("No document. Begin with: analyze FILE")


def result(file_id: Id, as_json: Json = False, url: Url = None) -> None:
    """Show what was found in a document."""
    with told(), client(url) as server:
        if as_json:
            document = server.get(file_id)
            put_json(document.raw)
            raise typer.Exit(int(Exit.DONE if document.done else Exit.FAILED))
        put(server.result(file_id))


def retry(ids: Ids, as_json: Json = False, url: Url = None) -> None:
    """Try failed or cancelled documents again."""
    _each(ids, url, lambda server, file_id: _show(server.retry(file_id), as_json))


def cancel(ids: Ids, as_json: Json = False, url: Url = None) -> None:
    """Stop working on documents."""
    _each(ids, url, lambda server, file_id: _show(server.cancel(file_id), as_json))


def delete(ids: Ids, yes: Yes = False, url: Url = None) -> None:
    """Delete documents and all that was made of them."""
    if not yes:
        if not sys.stdin.isatty():
            stop("delete: say --yes where nobody can be asked.", Exit.USAGE)
        typer.confirm(f"Delete {len(ids)} document(s) with file, pages and result?", abort=True, err=True)
    _each(ids, url, _delete)


def _delete(server: Client, file_id: str) -> None:
    server.delete(file_id)
    tell(f"{file_id}: deleted")


def _each(ids: list[str], url: str | None, do: Callable[[Client, str], None]) -> None:
    """All of them, whatever becomes of one; the heaviest exit code counts."""
    worst = Exit.DONE
    with told(), client(url) as server:
        for file_id in dict.fromkeys(ids):
            try:
                do(server, file_id)
            except FullRagError as error:
                tell(f"{file_id}: {words(error)}")
                worst = max(worst, code_of(error))
    raise typer.Exit(int(worst))


def _show(document: Document, as_json: bool) -> None:
    if as_json:
        put_json(document.raw)
    else:
        put(f"{document.id}  {describe.name(document)}  {describe.state(document)}")


def _table(documents: list[Document]) -> Table:
    table = Table("id", "name", "status", "pages", "uploaded", box=None, pad_edge=False)
    for one in documents:
        cells: list[Any] = [one.id, describe.name(one), line(one.status)]
        made = f"{one.created_at:%Y-%m-%d %H:%M}Z" if one.created_at else ""
        table.add_row(*cells, "" if one.pages is None else str(one.pages), made)
    return table
