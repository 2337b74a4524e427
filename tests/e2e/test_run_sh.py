"""run.sh sets up once, skips it afterwards, and mends a set-up that was interrupted.

The requirement files are empty here and `pytest` is a stand-in: what is under test is the way there.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT, clean_environment

PATIENCE_S = 240.0
STAND_IN = "import sys, os\nprint('pytest runs', sys.argv[1:], 'in', os.getcwd())\nsys.exit(7)\n"


def run(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(folder / "run.sh"), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd="/",
        env=clean_environment() if env is None else env,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "a folder with blanks"
    folder.mkdir()
    shutil.copy(ROOT / "run.sh", folder)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "app" / "launch", folder / "app" / "launch", ignore=ignore)
    (folder / "app" / "__init__.py").touch()
    for name in ("requirements.txt", "requirements-dev.txt"):
        (folder / name).write_text("# nothing\n", encoding="utf-8")
    (folder / "pytest.py").write_text(STAND_IN, encoding="utf-8")
    return folder


def test_first_run_sets_up_and_passes_arguments_and_exit_code_through(folder: Path) -> None:
    done = run(folder, "test", "tests/unit", "-k", "a b")
    assert done.returncode == 7, done.stdout + done.stderr
    assert "Making .venv" in done.stdout
    assert f"pytest runs ['tests/unit', '-k', 'a b'] in {folder}" in done.stdout


def test_second_run_skips_the_set_up(folder: Path) -> None:
    run(folder, "test")
    done = run(folder, "test")
    assert done.returncode == 7
    assert done.stdout.startswith("pytest runs")


def test_changed_requirements_are_installed_again(folder: Path) -> None:
    run(folder, "test")
    with (folder / "requirements-dev.txt").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    done = run(folder, "test")
    assert "Installed into .venv" in done.stdout
    assert "Making .venv" not in done.stdout


def test_interrupted_set_up_is_done_afresh(folder: Path) -> None:
    run(folder, "test")
    (folder / ".venv" / ".setting-up").touch()
    (folder / ".venv" / "half-installed").touch()
    done = run(folder, "test")
    assert "Making .venv" in done.stdout
    assert not (folder / ".venv" / "half-installed").exists()
    assert run(folder, "test").stdout.startswith("pytest runs")


def test_help_and_unknown_command_need_no_set_up(tmp_path: Path) -> None:
    shutil.copy(ROOT / "run.sh", tmp_path)
    shown = run(tmp_path, "--help")
    assert (shown.returncode, "demo [FILE]" in shown.stdout) == (0, True)
    refused = run(tmp_path, "strat")
    assert (refused.returncode, "unknown command 'strat'" in refused.stderr) == (2, True)
    assert not (tmp_path / ".venv").exists()


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with what run.sh itself calls, and no Python."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "env", "dirname", "grep", "cat", "rm"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    return tools


def python_that_says(path: Path, minor: int) -> None:
    """A stand-in for a Python 3.`minor`: it answers run.sh's question, and says who it is when it is run."""
    answer = f"import sys; sys.version_info = (3, {minor}, 0, 'final', 0); exec(sys.argv.pop(1))"
    script = [
        f"#!{shutil.which('bash')}",
        f'if [ "$1" = -c ]; then shift; exec {sys.executable} -c "{answer}" "$@"; fi',
        f'echo "chosen 3.{minor}: $*"',
    ]
    path.write_text("\n".join(script) + "\n", encoding="utf-8")
    path.chmod(0o755)


def test_without_a_fitting_python_it_says_what_to_install_and_names_mongo_url(
    tmp_path: Path, bare_path: Path
) -> None:
    shutil.copy(ROOT / "run.sh", tmp_path)
    python_that_says(bare_path / "python3", 14)
    done = run(tmp_path, env={"PATH": str(bare_path)})
    assert done.returncode == 1
    assert "Python 3.11, 3.12 or 3.13" in done.stderr
    assert "MONGO_URL" in done.stderr


def test_newer_python_gives_way_to_an_older_one_on_the_path(tmp_path: Path, bare_path: Path) -> None:
    shutil.copy(ROOT / "run.sh", tmp_path)
    python_that_says(bare_path / "python3", 14)
    python_that_says(bare_path / "python3.12", 12)
    done = run(tmp_path, env={"PATH": str(bare_path)})
    assert done.stdout == "chosen 3.12: -m app.launch.bootstrap embedded\n"


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_newer_python_will_do_where_mongo_url_is_set(tmp_path: Path, bare_path: Path, place: str) -> None:
    shutil.copy(ROOT / "run.sh", tmp_path)
    python_that_says(bare_path / "python3", 14)
    env = {"PATH": str(bare_path)}
    if place == ".env":
        (tmp_path / ".env").write_text("MONGO_URL=mongodb://127.0.0.1\n", encoding="utf-8")
    else:
        env |= {"MONGO_URL": "mongodb://127.0.0.1", "VALKEY_URL": "redis://127.0.0.1"}
    level = "embedded" if place == ".env" else "runtime"
    assert run(tmp_path, env=env).stdout == f"chosen 3.14: -m app.launch.bootstrap {level}\n"


def test_python_without_venv_gets_the_name_of_its_package(folder: Path) -> None:
    code = (
        "import sys, importlib.util\n"
        "from app.launch import bootstrap\n"
        "bootstrap.find_spec = lambda name: None\n"
        "bootstrap._venv_is_usable = lambda: False\n"
        "bootstrap.is_ready = lambda level: False\n"
        "bootstrap.main(['dev', 'test'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"},
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    assert f"python{sys.version_info[0]}.{sys.version_info[1]}-venv" in done.stdout
