"""Options that all client commands share, and the server that they speak to."""

import re
from typing import Annotated, Any, Final

import typer

from app.client import AsyncClient, Client
from app.config import ClientSettings, load

FILE_ID: Final = re.compile(r"[0-9a-fA-F]{24}")


def _file_id(text: str) -> str:
    if not FILE_ID.fullmatch(text):
        raise typer.BadParameter("an id is 24 hexadecimal digits, as `analyze` and `list` show them")
    return text.lower()


Url = Annotated[
    str | None,
    typer.Option(help="The server (else FULL_RAG_URL, else http://127.0.0.1:8001)", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on standard output")]
Id = Annotated[str, typer.Argument(metavar="ID", parser=_file_id, help="The document's id")]
Ids = Annotated[list[str], typer.Argument(metavar="ID…", parser=_file_id, help="The documents' ids")]


def client(url: str | None) -> Client:
    """One that does not try again: a person sees the error sooner. Raises ConfigError, ValueError."""
    return Client(*_address(url), patience_s=0)


def async_client(url: str | None, **more: Any) -> AsyncClient:
    return AsyncClient(*_address(url), **more)


def _address(url: str | None) -> tuple[str, str | None]:
    """The key comes from the environment alone: other users of a machine can read a command line."""
    settings = load(ClientSettings)
    key = settings.full_rag_api_key
    return url or settings.full_rag_url, key.get_secret_value() if key else None
