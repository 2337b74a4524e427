"""The service's own source as data: modules, and who imports whom (imports inside functions counted)."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"


@dataclass(frozen=True)
class Import:
    """`module` imports `target` (a module of ours, or the name of a library) at `line`."""

    module: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def python_files(*roots: str) -> list[Path]:
    """All Python files under these folders of the repository, without caches."""
    found = (path for root in roots for path in (ROOT / root).rglob("*.py"))
    return sorted(path for path in found if "__pycache__" not in path.parts)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """Every module of the service by its dotted name."""
    return {module_name(path): path for path in python_files("app")}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(module: str, path: Path, known: dict[str, Path]) -> Iterator[Import]:
    """Every import in the file, wherever it stands; `from package import module` names the module."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                for _ in range(node.level - 1):
                    package = package.rpartition(".")[0]
                base = f"{package}.{base}".rstrip(".")
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield Import(module, whole if whole in known else base, node.lineno)


@cache
def imports() -> tuple[Import, ...]:
    """Every import of every module of the service."""
    known = modules()
    return tuple(one for name, path in known.items() for one in imports_of(name, path, known))


def internal() -> list[Import]:
    """Those whose target is ours."""
    return [one for one in imports() if one.target == "app" or one.target.startswith("app.")]
