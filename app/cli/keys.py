"""`keys create | list | revoke | rotate`: the operator decides who may come in.

They speak to the database itself: whoever may read MONGO_URL needs no key. A key is shown once, alone on
standard output; words about it go to standard error, so that `KEY=$(… keys create …)` holds the key.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Final, NoReturn, TypeVar

import typer
from pymongo.errors import PyMongoError
from rich.console import Console
from rich.table import Table

from app.cli.moments import parse_moment, parse_while
from app.config import ConfigError, SharedSettings, load
from app.db.client import async_client, async_database
from app.db.collections.keys import Keys
from app.domain.keys import NAME_SHAPE, KeyRecord, NewKey, Scope

app = typer.Typer(help="API keys: who may come in.", no_args_is_help=True)

T = TypeVar("T")
ONCE: Final = (
    "It is shown this once and kept nowhere. Send it as 'Authorization: Bearer …' or 'X-API-Key: …'."
)


def _id_in(text: str) -> str:
    """The id, also where somebody gives the whole key: it must not be repeated by an error."""
    return text.removeprefix("frag_").partition("_")[0]


KeyId = Annotated[
    str, typer.Argument(metavar="ID", parser=_id_in, help="The 8 characters after frag_, see `list`")
]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Whom or what the key is for")],
    scope: Annotated[
        Scope,
        typer.Option(help="read: look; write: and upload, retry, cancel, delete; admin: and set up webhooks"),
    ] = Scope.WRITE,
    owner: Annotated[
        str | None,
        typer.Option(help="Whose documents it sees: keys with one owner share them [default: the name]"),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 90d, 2030-12-31 [default: never]")
    ] = None,
) -> None:
    """Make a key and show it, once."""
    _named("--name", name)
    _named("--owner", owner or name)

    async def make(keys: Keys) -> NewKey:
        until = None if expires is None else _moment("--expires", expires, await keys.now())
        return await keys.create(name, owner or name, scope, until)

    made = _run(make)
    _show(made, f"Key {made.key_id} of owner '{owner or name}', scope {scope}.")


@app.command("list")
def list_() -> None:
    """Show every key, without its secret."""
    found = _run(_all)
    table = Table("id", "name", "owner", "scope", "state", "made", "last used", box=None, pad_edge=False)
    for key, state in found:
        times = (f"{key.created_at:%Y-%m-%d}", _minute(key.last_used_at))
        table.add_row(key.key_id, key.name, key.owner, key.scope, state, *times)
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)
    console.print(table, soft_wrap=True) if found else typer.echo(
        "No key yet: keys create --name first", err=True
    )


@app.command()
def revoke(key_id: KeyId) -> None:
    """End a key, within seconds."""
    if not _run(lambda keys: keys.revoke(key_id)):
        _fail(f"There is no key {key_id} that could be revoked. See: keys list")
    typer.echo(f"Revoked {key_id}; within 5 seconds nobody gets in with it.", err=True)


@app.command()
def rotate(
    key_id: KeyId,
    keep: Annotated[
        str, typer.Option(help="How long the old key still works: 24h, 7d, 0s for not at all")
    ] = "24h",
) -> None:
    """Make a key like ID and let ID end."""
    try:
        kept = parse_while(keep)
    except ValueError as error:
        _fail(f"--keep: {error}")
    made, old = _run(lambda keys: _successor(keys, key_id, kept))
    until = "ends now" if not kept else f"works for {keep} more"
    _show(
        made, f"Key {made.key_id} of owner '{old.owner}', scope {old.scope}; the old one, {key_id}, {until}."
    )


async def _successor(keys: Keys, key_id: str, kept: timedelta) -> tuple[NewKey, KeyRecord]:
    """The new one first: at no moment is there none."""
    old, now = await keys.find(key_id), await keys.now()
    if old is None or old.revoked_at is not None or old.expired(now):
        _fail(f"There is no living key {key_id}. See: keys list")
    if old.replaced_by is not None:
        _fail(f"{key_id} was replaced by {old.replaced_by} already: rotate that one")
    made = await keys.create(old.name, old.owner, old.scope, old.expires_at)
    if not await keys.replace(old, made.key_id, now + kept):
        await keys.revoke(made.key_id)
        _fail(f"{key_id} was changed by somebody else meanwhile. See: keys list")
    return made, old


async def _all(keys: Keys) -> list[tuple[KeyRecord, str]]:
    now = await keys.now()
    return [(key, _state(key, now)) for key in await keys.all()]


def _state(key: KeyRecord, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None:
        return "valid"
    return f"{'expired' if key.expired(now) else 'valid until'} {_minute(key.expires_at)}"


def _run(work: Callable[[Keys], Awaitable[T]]) -> T:
    """`work` with the database; ends the program with a sentence where that cannot be."""

    async def connected() -> T:
        settings = load(SharedSettings)
        async with async_client(settings.mongo_url.get_secret_value()) as client:
            return await work(Keys(async_database(client, settings.mongo_db)))

    try:
        return asyncio.run(connected())
    except ConfigError as error:
        _fail(str(error))
    except PyMongoError as error:
        _fail(f"MONGO_URL: the database cannot be used ({type(error).__name__}). Is it running?")


def _show(made: NewKey, about: str) -> None:
    typer.echo(f"{about} {ONCE}", err=True)
    typer.echo(made.text)


def _named(option: str, value: str) -> None:
    if not NAME_SHAPE.fullmatch(value):
        _fail(f"{option}: use 1 to 64 letters, digits, blanks and ._@- (a letter or digit first)")


def _moment(option: str, text: str, now: datetime) -> datetime:
    try:
        return parse_moment(text, now)
    except ValueError as error:
        _fail(f"{option}: {error}")


def _minute(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M}Z"


def _fail(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(2)
