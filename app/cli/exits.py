"""Exit codes, and what ends the program with which of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import NoReturn

import typer

from app.cli.safe import tell
from app.client import ApiError, DocumentFailed, FullRagError, NotFinished, Unreachable, WaitTimeout
from app.config import ConfigError


class Exit(IntEnum):
    """In the order of their weight: of several documents the heaviest counts."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    INTERRUPTED = 130


def code_of(error: FullRagError) -> Exit:
    if isinstance(error, WaitTimeout):
        return Exit.UNREACHABLE if isinstance(error.trouble, Unreachable) else Exit.FAILED
    if isinstance(error, DocumentFailed | NotFinished):
        return Exit.FAILED
    if isinstance(error, ApiError) and error.retryable:
        return Exit.UNREACHABLE
    return Exit.REFUSED


def words(error: FullRagError) -> str:
    """For people, with what they may do."""
    if not isinstance(error, ApiError):
        return str(error)
    text = error.message if isinstance(error, Unreachable) else str(error)
    if error.status == 401:
        text += " This command takes the key from FULL_RAG_API_KEY."
    return f"{text} (request {error.request_id})" if error.request_id else text


@contextmanager
def told() -> Iterator[None]:
    """Ends the program with a sentence where the block could not do what it should."""
    try:
        yield
    except FullRagError as error:
        stop(words(error), code_of(error))
    except (ConfigError, ValueError) as error:
        stop(str(error), Exit.USAGE)
    except KeyboardInterrupt:
        stop("Interrupted.", Exit.INTERRUPTED)


def stop(text: str, code: Exit) -> NoReturn:
    tell(text)
    raise typer.Exit(int(code))
