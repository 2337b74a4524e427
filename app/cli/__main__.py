"""Puts the commands together: each file beside this one brings a group of them."""

import typer

from app.cli import keys

app = typer.Typer(
    name="python -m app.cli",
    help="Commands of the Full-RAG service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # those show the values of variables, keys among them
)
app.add_typer(keys.app, name="keys")


@app.callback()
def main() -> None:
    """Commands of the Full-RAG service."""


if __name__ == "__main__":
    app()
