"""`.env.example` is where an operator looks first: it must name every setting, with its real default."""

from typing import Any

import pytest
from pydantic import SecretStr

from app.config import ApiSettings, MaintenanceSettings, SharedSettings, WorkerSettings, load
from tests.support.containers import SETTING, example, example_lines

KINDS: tuple[type[SharedSettings], ...] = (ApiSettings, WorkerSettings, MaintenanceSettings)
# Variables of the compose files, of RQ's start and of the S3 library; app/config.py does not read them.
NOT_OURS = {
    "WORKERS",
    "BIND",
    "FRONT_SUBNET",
    "NGINX_ADDRESS",
    "API_REPLICAS",
    "WORKER_REPLICAS",
    "API_MEMORY",
    "WORKER_MEMORY",
    "MONGO_MEMORY",
    "MONGO_CACHE_GB",
    "API_IMAGE",
    "WORKER_IMAGE",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
}
PLACEHOLDERS = {"OPENAI_API_KEY": "sk-your-key-here"}


def settings() -> dict[str, Any]:
    """Variable → default, of all processes; two processes never disagree about one."""
    defaults: dict[str, Any] = {}
    for kind in KINDS:
        for name, value in kind().model_dump().items():
            assert defaults.setdefault(name.upper(), value) == value, f"two defaults of {name.upper()}"
    return defaults


def as_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return "x".join(str(side) for side in value)
    if isinstance(value, float):
        return f"{value:g}" if value != int(value) else str(int(value))
    return "" if value is None else str(value)


def test_every_setting_is_explained_and_nothing_that_does_not_exist() -> None:
    named, ours = set(example()), set(settings())
    assert ours - named == set(), "settings of app/config.py that .env.example does not name"
    assert named - ours == NOT_OURS, "in .env.example, but neither a setting nor in this test's list"


@pytest.mark.parametrize("variable", sorted(settings()))
def test_the_shown_default_is_the_real_one(variable: str) -> None:
    _, shown = example()[variable]
    assert shown == PLACEHOLDERS.get(variable, as_text(settings()[variable]))


def test_only_the_model_key_is_set_so_that_a_copy_changes_nothing() -> None:
    active = {name for name, (commented, _) in example().items() if not commented}
    assert active == set(PLACEHOLDERS)
    assert not load(WorkerSettings, {name: example()[name][1] for name in active}).uses_openai


def test_the_shown_values_are_accepted_when_uncommented() -> None:
    shown = {name: value for name, (_, value) in example().items()}
    for kind in KINDS:
        assert load(kind, shown) == kind()


def test_each_variable_has_a_sentence_above_it() -> None:
    paragraph_explained = False
    for line in example_lines():
        if not line.strip():
            paragraph_explained = False
        elif SETTING.match(line):
            assert paragraph_explained, f"no comment above {line}"
        else:
            assert line.startswith("# "), line
            paragraph_explained = True
