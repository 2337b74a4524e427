"""The compose files and the Dockerfile as data, for the tests of their laws; .env.example too."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEVELOPMENT = "docker-compose.yaml"
PRODUCTION = "docker-compose.prod.yaml"
DEV_CONTAINER = ".devcontainer/docker-compose.yaml"
COMPOSE_FILES = (DEVELOPMENT, PRODUCTION, DEV_CONTAINER)

SETTING = re.compile(r'^(#?)([A-Z][A-Z0-9_]*)="?(.*?)"?$')
"""A line of .env.example: commented or not, variable, value."""

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::?-([^}]*))?\}")


def compose(name: str) -> dict[str, Any]:
    """The file with its anchors merged, and each `${NAME:-default}` as its default."""
    text = (ROOT / name).read_text(encoding="utf-8")
    parsed = yaml.safe_load(_VARIABLE.sub(lambda match: match[2] or "", text))
    assert isinstance(parsed, dict)
    return parsed


def services(name: str) -> dict[str, dict[str, Any]]:
    found = compose(name)["services"]
    assert isinstance(found, dict)
    return found


def variables(name: str) -> set[str]:
    """What the file takes from .env or the shell: `${NAME}` and variables without a value."""
    text = (ROOT / name).read_text(encoding="utf-8")
    handed_on = {
        variable
        for service in services(name).values()
        for variable, value in service.get("environment", {}).items()
        if value is None
    }
    return handed_on | {match[1] for match in _VARIABLE.finditer(text)}


def example_lines() -> list[str]:
    return (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()


def example() -> dict[str, tuple[bool, str]]:
    """Variable → (is it commented, its value)."""
    found = [match.groups() for match in map(SETTING.match, example_lines()) if match]
    names = [name for _, name, _ in found]
    assert len(names) == len(set(names)), "a variable is named twice"
    return {name: (mark == "#", value) for mark, name, value in found}


def dockerfile_stages() -> dict[str, list[str]]:
    """Stage → its instructions, comments dropped and continued lines joined."""
    lines = [
        line
        for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    stages: dict[str, list[str]] = {}
    current: list[str] = []
    for instruction in "\n".join(lines).replace("\\\n", " ").splitlines():
        if start := re.match(r"FROM (\S+) AS (\S+)$", instruction):
            current = stages.setdefault(start[2], [])
        current.append(re.sub(r"\s+", " ", instruction))
    return stages


def inherited(stage: str) -> list[str]:
    """The instructions of a stage after those of the stages it is made from."""
    stages = dockerfile_stages()
    own = stages[stage]
    parent = own[0].split()[1]
    return (inherited(parent) if parent in stages else []) + own
