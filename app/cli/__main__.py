"""Puts the commands together: each file beside this one brings a group of them."""

from collections.abc import Callable
from typing import Final

import typer

from app.cli import analyze, documents, keys
from app.cli.doctor import command as doctor

app = typer.Typer(
    name="python -m app.cli",
    help="Have documents analysed by a Full-RAG server (FULL_RAG_URL, FULL_RAG_API_KEY), and run one.",
    epilog="Exit codes: 0 all done; 1 a document failed or took too long; 2 wrong usage or configuration; "
    "3 the server cannot be reached; 4 it refused; 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # those show the values of variables, keys among them
)
COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "analyze": analyze.analyze,
    "watch": analyze.watch,
    "status": documents.status,
    "list": documents.list_,
    "result": documents.result,
    "retry": documents.retry,
    "cancel": documents.cancel,
    "delete": documents.delete,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
app.command("doctor", rich_help_panel="Operator")(doctor.doctor)
app.add_typer(keys.app, name="keys", rich_help_panel="Operator")


@app.callback()
def main() -> None:
    """Commands of the Full-RAG service."""


if __name__ == "__main__":
    app()
