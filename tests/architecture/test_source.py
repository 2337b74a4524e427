"""Laws of the text: sizes, a word at every door, one reader of the environment, no traces of a machine."""

import ast
import re
import subprocess
from pathlib import Path

from tests.support.source import APP, ROOT, module_name, python_files, tree_of

MAX_FILE = 300
MAX_FUNCTION = 50
FILES = python_files("app", "tests", "benchmarks", "examples", "deploy")
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
TRACES = [
    re.compile(r"(?<![\w.~$}-])/(?:work|farm)/\w"),
    re.compile(r"/tmp/(?:lead|claude)\b"),
    re.compile(r"(?<![\w.])/home/(?!app\b|vscode\b|\{|\$|<)\w+/"),
]
"""Paths of somebody's own machine."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(path: Path) -> str | None:
    """The file's text, None for a binary one."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def tracked() -> list[Path]:
    """What is (or would be) in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:  # an unpacked archive: no list, so what is not made by tools
        made = {".venv", ".git", ".data", "__pycache__"}
        return [p for p in ROOT.rglob("*") if p.is_file() and not made & set(p.relative_to(ROOT).parts)]
    paths = (ROOT / line for line in listed.stdout.decode().split("\0") if line)
    return [path for path in paths if path.is_file()]


def test_a_file_fits_on_a_few_screens() -> None:
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {path: count for path, count in lines.items() if count > MAX_FILE}


def test_a_function_fits_on_one() -> None:
    sizes = {
        f"{name(path)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {function: lines for function, lines in sizes.items() if lines > MAX_FUNCTION}


def test_a_file_says_what_it_is_for() -> None:
    assert [name(path) for path in FILES if not ast.get_docstring(tree_of(path))] == ["app/queue/__init__.py"]


def test_the_queue_package_stays_empty() -> None:
    """Whoever imports the producer must not load the consumer."""
    assert (APP / "queue" / "__init__.py").read_text(encoding="utf-8") == ""


def test_every_folder_of_the_service_is_a_package() -> None:
    folders = {path.parent for path in python_files("app")}
    assert not [name(folder) for folder in folders if not (folder / "__init__.py").is_file()]


def test_test_folders_are_no_packages() -> None:
    """pytest runs with --import-mode=importlib."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_only_config_reads_the_environment() -> None:
    found = [
        f"{name(path)}:{node.lineno}"
        for path in python_files("app")
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT)
        or (isinstance(node, ast.ImportFrom) and ENVIRONMENT & {alias.name for alias in node.names})
    ]
    assert not [place for place in found if not place.startswith("app/config.py:")]


def test_nothing_is_printed_but_by_the_launcher_and_the_command_line() -> None:
    found = [
        f"{name(path)}:{node.lineno}"
        for path in python_files("app")
        if not module_name(path).startswith(("app.launch", "app.cli"))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not found


def test_no_file_names_a_machine_s_own_folders() -> None:
    found = []
    for path in tracked():
        for number, line in enumerate((read(path) or "").splitlines(), start=1):
            if path != Path(__file__) and any(trace.search(line) for trace in TRACES):
                found.append(f"{name(path)}:{number}: {line.strip()[:80]}")
    assert not found, "\n".join(found)


def test_nothing_runs_a_module_of_the_service_as_a_file() -> None:
    """`python app/main.py` would put app/ on the path, where `queue` shadows the standard library's."""
    wrong = re.compile(r"python[\d.]*\s+(?:-\w\s+)*(?:\./)?app/\w+\.py")
    found = [
        f"{name(path)}:{number}"
        for path in tracked()
        if path.suffix != ".md" and path != Path(__file__)
        for number, line in enumerate((read(path) or "").splitlines(), start=1)
        if wrong.search(line)
    ]
    assert not found
