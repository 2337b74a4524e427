"""`.env` as people write it, and the file that a shell reads back."""

import shutil
import subprocess
from pathlib import Path

import pytest

from app.config import ConfigError
from app.launch.environment import absolute_storage, is_given, read_dotenv, write_env_file


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=value", "value"),
        ("export KEY=value", "value"),
        ("  KEY = value  ", "value"),
        ("KEY=", ""),
        ("KEY='a b # c'", "a b # c"),
        ('KEY="mongodb://h/?w=majority&journal=true"', "mongodb://h/?w=majority&journal=true"),
        ('KEY="quoted" # why', "quoted"),
        ("KEY=value # why", "value"),
        ("KEY=a#b", "a#b"),
        ("KEY=# only a comment", ""),
        ("KEY=a=b", "a=b"),
        ('KEY="never closed', '"never closed'),
    ],
)
def test_line_of_dotenv(tmp_path: Path, line: str, value: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"\ufeff# a comment\n\n{line}\n", encoding="utf-8")
    assert read_dotenv(file) == {"KEY": value}


def test_no_dotenv_is_no_settings(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}


def test_line_that_is_no_setting_is_refused_with_its_number(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\nnonsense\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 2"):
        read_dotenv(file)


def test_example_file_can_be_read(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[3] / ".env.example", tmp_path / ".env")
    assert read_dotenv(tmp_path / ".env") == {"OPENAI_API_KEY": "sk-your-key-here"}


@pytest.mark.parametrize("value", ["plain", "with blank", 'it\'s $HOME `x` "q" & ; #', "zwei\nZeilen", ""])
def test_shell_reads_back_what_was_written(tmp_path: Path, value: str) -> None:
    file = tmp_path / "env"
    write_env_file(file, {"KEY": value})
    done = subprocess.run(
        ["bash", "-c", '. "$1"; printf %s "$KEY"', "-", str(file)], capture_output=True, check=True
    )
    assert done.stdout.decode() == value


def test_file_with_passwords_is_private_even_where_an_open_one_was(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.touch(mode=0o644)
    write_env_file(file, {"VALKEY_URL": "redis://:secret@127.0.0.1:1/0"})
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("env", "given"),
    [({}, False), ({"X": " "}, False), ({"X": "a"}, True), ({"X_FILE": "/run/secrets/x"}, True)],
)
def test_empty_setting_counts_as_not_given(env: dict[str, str], given: bool) -> None:
    assert is_given("X", env) is given


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        ("./data", "/repo/data"),
        ("data/files", "/repo/data/files"),
        ("/srv/x", "/srv/x"),
        ("s3://b/p", "s3://b/p"),
    ],
)
def test_storage_folder_is_relative_to_the_repository(url: str, absolute: str) -> None:
    assert absolute_storage(url, Path("/repo")) == absolute
