"""The service's API process, which also counts what it asks of MongoDB: `COUNTS` names the file it writes."""

import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from pymongo import monitoring

from app import main

EVERY_S = 0.2
NOT_QUERIES = frozenset({"hello", "ismaster", "endSessions", "killCursors"})


class Commands(monitoring.CommandListener):
    """Called by every client of the process."""

    def __init__(self) -> None:
        self.started_by_name: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name not in NOT_QUERIES:
            self.started_by_name[event.command_name] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Counted when it began."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Counted when it began."""


def keep_writing(commands: Commands, path: Path) -> None:
    """Whole or not at all, so that whoever reads never sees half a file."""
    half = path.with_suffix(".half")
    while True:
        half.write_text(json.dumps(dict(commands.started_by_name)), encoding="ascii")
        half.replace(path)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    counted = Commands()
    monitoring.register(counted)
    arguments = (counted, Path(os.environ["COUNTS"]))
    threading.Thread(target=keep_writing, args=arguments, daemon=True).start()
    sys.exit(main.main())
