"""`.env` in, `.data/env` out: the settings that every process on this machine is started with."""

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.config import ConfigError

ASSIGNMENT: Final = re.compile(r"^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$")
COMMENT: Final = re.compile(r"(^|\s)#.*$")

# What makes the stock `rq worker` command work this service's queue: it reads these itself.
RQ_CLASSES: Final = {
    "RQ_WORKER_CLASS": "app.queue.workers.FullRagWorker",
    "RQ_QUEUE_CLASS": "app.queue.workers.FullRagQueue",
    "RQ_JOB_CLASS": "app.queue.workers.AllowListJob",
    "RQ_CONNECTION_CLASS": "app.queue.workers.PatientConnection",
}


def read_dotenv(path: Path) -> dict[str, str]:
    """NAME=VALUE lines; a value may stand in quotes; after an unquoted one ` #` begins a comment."""
    if not path.exists():
        return {}
    values: dict[str, str] = {}
    for number, raw in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = ASSIGNMENT.match(line)
        if match is None:
            raise ConfigError(f"{path} line {number}: expected NAME=VALUE, as in PORT=8002")
        values[match.group(1)] = _value(match.group(2))
    return values


def _value(text: str) -> str:
    if text[:1] in {"'", '"'}:
        quote = text[0]
        inner, closed, _rest = text[1:].partition(quote)
        if closed:
            return inner
    return COMMENT.sub("", text).strip()


def python_environment(root: Path) -> dict[str, str]:
    """What lets a process import `app` from any folder, and nothing from the folder it stands in."""
    return {"PYTHONPATH": str(root), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


def is_given(name: str, env: Mapping[str, str]) -> bool:
    return bool(env.get(name, "").strip() or env.get(f"{name}_FILE", "").strip())


def absolute_storage(url: str, root: Path) -> str:
    """A folder is relative to the repository, whoever reads the setting and from where."""
    return url if "://" in url else str((root / Path(url).expanduser()).absolute())


def write_env_file(path: Path, values: Mapping[str, str]) -> None:
    """A file for `set -a; . FILE; set +a`, readable by its user only: it holds passwords."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(values.items())]
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write("# Written by ./run.sh at each start: how to reach what it runs.\n")
        file.writelines(lines)
    fresh.replace(path)
