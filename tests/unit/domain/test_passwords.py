"""Which addresses of stores production accepts."""

import pytest

from app.domain.passwords import trouble_with_password


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://full_rag:5e884898da28@mongo:27017/?authSource=admin",
        "mongodb+srv://ann:p%40ss-w0rd-9@cluster.example.com",
        "mongodb://CN=x@mongo/?authMechanism=MONGODB-X509",
        "redis://:5e884898da28@valkey:6379",
        "rediss://default:5e884898da28@valkey:6379/2",
        "unix:///run/valkey.sock",
    ],
)
def test_a_real_password_will_do(url: str) -> None:
    assert trouble_with_password(url) is None


@pytest.mark.parametrize(
    "url", ["mongodb://mongo", "mongodb://ann@mongo", "mongodb://ann:@mongo", "redis://valkey"]
)
def test_no_password_is_refused(url: str) -> None:
    assert "has no password" in (trouble_with_password(url) or "")


@pytest.mark.parametrize("password", ["changeme", "CHANGEME", "password", "secret", "example", "%63hangeme"])
def test_a_password_out_of_an_example_is_refused(password: str) -> None:
    trouble = trouble_with_password(f"redis://:{password}@valkey:6379") or ""
    assert "placeholder" in trouble
    assert "changeme" not in trouble.lower()
