"""The processes' log files: a new one at each start, the errors in them shown on the screen as they come."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from app.launch.child import Child
from app.launch.screen import say

LOUD: Final = frozenset({"error", "critical"})
LARGEST: Final = 20 * 1024 * 1024
CHUNK: Final = 256 * 1024


class Logs:
    """Follows the logs of some children from now on; the last start's are kept as `NAME.log.1`."""

    def __init__(self, children: Iterable[Child]) -> None:
        self._offsets: dict[str, tuple[Path, int]] = {}
        for child in children:
            if not child.running:
                _put_aside(child.log)
            self._offsets[child.name] = (child.log, _size(child.log))

    def poll(self) -> None:
        for name, (path, offset) in self._offsets.items():
            size = _size(path)
            if size < offset:
                offset = 0
            if size > offset:
                offset = self._read(name, path, offset)
            if size > LARGEST:
                # The writer appends to the same open file, so it must be emptied, not renamed.
                shutil.copyfile(path, _aside(path))
                with path.open("r+b") as log:
                    log.truncate()
                offset = 0
            self._offsets[name] = (path, offset)

    def _read(self, name: str, path: Path, offset: int) -> int:
        with path.open("rb") as log:
            log.seek(offset)
            data = log.read(CHUNK)
        whole = data.rfind(b"\n") + 1 or (len(data) if len(data) == CHUNK else 0)
        for line in data[:whole].splitlines():
            event = error_in(line)
            if event:
                say(f"  {name}: {event} (more in {path})")
        return offset + whole


def error_in(line: bytes) -> str | None:
    """What a JSON log line reports as an error, else None."""
    if not line.startswith(b"{"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if str(entry.get("level", "")).lower() not in LOUD:
        return None
    details = [f"{key}={entry[key]}" for key in ("file_id", "code", "error") if entry.get(key)]
    return " ".join([str(entry.get("event", "error")), *details])


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _put_aside(path: Path) -> None:
    if path.exists():
        path.replace(_aside(path))
