"""Webhook settings are refused at start, with the variable and the fix named."""

import pytest

from app.config import ApiSettings, ConfigError, MaintenanceSettings, load


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("WEBHOOK_ALLOW", "hooks, 10.0.0.1/8", "WEBHOOK_ALLOW: '10.0.0.1/8' is no network"),
        ("WEBHOOK_ALLOW", "http://hooks", "WEBHOOK_ALLOW: 'http://hooks' "),
        ("PUBLIC_URL", "rag.example.com", "PUBLIC_URL: must be this service's own address"),
        ("WEBHOOK_CA", "/etc/ca.pem", "WEBHOOK_CA: must be certificates in PEM"),
    ],
)
def test_a_wrong_setting_stops_the_process(variable: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(MaintenanceSettings, {variable: value})
    assert str(caught.value).startswith(said)


def test_api_and_maintenance_allow_the_same_targets() -> None:
    environ = {"WEBHOOK_ALLOW": "hooks:9000", "PUBLIC_URL": "https://rag.example.com/base/"}
    allowed = load(ApiSettings, environ).allowed_targets
    assert allowed == load(MaintenanceSettings, environ).allowed_targets
    assert allowed.ports == {("hooks", 9000)}
    assert load(MaintenanceSettings, environ).public_url == "https://rag.example.com/base"
