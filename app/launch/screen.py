"""Writes to the user's screen, and stays calm when nobody reads it any more. Standard library only."""

import contextlib
import sys


def say(text: str = "", end: str = "\n") -> None:
    # A closed pipe (`./run.sh | head`) must not stop the service.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(f"{text}{end}")
        sys.stdout.flush()
