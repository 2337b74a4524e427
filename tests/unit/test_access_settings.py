"""Settings of who may come in: open doors only where they cannot be reached, words for what is wrong."""

import pytest

from app.config import ApiSettings, ConfigError, MaintenanceSettings, SharedSettings, WorkerSettings, load

STORES = {
    "MONGO_URL": "mongodb://full_rag:5e884898da28@mongo:27017",
    "VALKEY_URL": "redis://:5e884898da28@valkey:6379",
}
PRODUCTION = {"ENVIRONMENT": "production", **STORES}


@pytest.mark.parametrize(
    ("env", "required"),
    [
        ({}, False),
        ({"HOST": "127.0.0.2"}, False),
        ({"HOST": "localhost"}, False),
        ({"HOST": "::1"}, False),
        ({"HOST": "0.0.0.0"}, True),
        ({"HOST": "192.168.1.5"}, True),
        ({"HOST": "my-machine"}, True),
        ({"HOST": "0.0.0.0", "AUTH": "off"}, False),
        ({"AUTH": "required"}, True),
        (PRODUCTION, True),
        (PRODUCTION | {"AUTH": "required"}, True),
    ],
)
def test_a_key_is_asked_for_unless_only_this_machine_can_ask(env: dict[str, str], required: bool) -> None:
    assert load(ApiSettings, env).keys_required is required


def test_production_without_keys_is_refused_and_told_how_to_make_one() -> None:
    with pytest.raises(ConfigError, match="keys create --name first --scope admin"):
        load(ApiSettings, PRODUCTION | {"AUTH": "off"})


@pytest.mark.parametrize("kind", [ApiSettings, WorkerSettings, MaintenanceSettings])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MONGO_URL", "mongodb://mongo:27017"),
        ("MONGO_URL", "mongodb://full_rag:changeme@mongo:27017"),
        ("VALKEY_URL", "redis://valkey:6379"),
        ("VALKEY_URL", "valkey://:password@valkey:6379"),
    ],
)
def test_production_refuses_stores_without_a_real_password_and_does_not_repeat_it(
    kind: type[SharedSettings], variable: str, value: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(kind, PRODUCTION | {variable: value})
    assert str(refused.value).startswith(f"{variable}: ")
    assert value not in str(refused.value)
    load(kind, {variable: value})  # in development it will do


def test_nobody_is_limited_where_no_key_is_asked_for_unless_it_is_said() -> None:
    open_, closed = load(ApiSettings, {}), load(ApiSettings, {"AUTH": "required"})
    assert (open_.upload_rate, open_.read_rate) == (None, None)
    assert (closed.upload_rate, closed.read_rate) == ("300/minute", "6000/minute")
    said = load(ApiSettings, {"RATE_LIMIT_UPLOADS": "5/second", "RATE_LIMIT_READS": "off"})
    assert (said.upload_rate, said.read_rate) == ("5/second", None)
    assert load(ApiSettings, {"AUTH": "required", "RATE_LIMIT_READS": "off"}).read_rate is None


@pytest.mark.parametrize(
    ("variable", "value", "example"),
    [
        ("RATE_LIMIT_UPLOADS", "many", "300/minute"),
        ("RATE_LIMIT_READS", "0/minute", "300/minute"),
        ("RATE_LIMIT_READS", "5 per minute", "300/minute"),
        ("CORS_ORIGINS", "*", "https://app.example.com"),
        ("CORS_ORIGINS", "https://a.example.com/path", "https://app.example.com"),
        ("TRUSTED_PROXIES", "nginx", "10.1.0.0/16"),
        ("AUTH", "maybe", "off"),
        ("DOCS", "maybe", "off"),
    ],
)
def test_a_wrong_value_is_refused_with_an_example(variable: str, value: str, example: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(ApiSettings, {variable: value})
    assert str(refused.value).startswith(f"{variable}: ")
    assert example in str(refused.value)


def test_lists_are_read_as_people_write_them() -> None:
    settings = load(ApiSettings, {"CORS_ORIGINS": "https://a.example.com/, http://localhost:3000 ,"})
    assert settings.origins == ["https://a.example.com", "http://localhost:3000"]
