"""While no key is asked for: who may be behind a request."""

import pytest
from starlette.datastructures import Headers

from app.api.local_only import HostRefused, OriginRefused, is_local, refuse_strangers


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8001",
        "localhost:8001",
        "[::1]:8001",
        "api:8001",
        "192.168.1.5",
        "",
        "box.local",
        "a.b.internal:1",
    ],
)
def test_names_that_nobody_outside_can_own(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["evil.example.com:8001", "evil.com", "127.0.0.1.nip.io", "xlocal.com", "[", "a.b:x:"]
)
def test_names_that_somebody_may_have_pointed_at_us(host: str) -> None:
    assert not is_local(host)
    with pytest.raises(HostRefused):
        refuse_strangers("GET", Headers({"host": host}), [])


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "null", "http://127.0.0.1:8002", "http://localhost:8001"]
)
def test_a_page_from_elsewhere_changes_nothing(origin: str) -> None:
    headers = Headers({"host": "127.0.0.1:8001", "origin": origin})
    with pytest.raises(OriginRefused):
        refuse_strangers("POST", headers, [])
    refuse_strangers("GET", headers, [])
    refuse_strangers("POST", headers, [origin])


def test_our_own_page_and_programs_may() -> None:
    refuse_strangers("POST", Headers({"host": "127.0.0.1:8001", "origin": "http://127.0.0.1:8001"}), [])
    refuse_strangers("DELETE", Headers({"host": "127.0.0.1:8001"}), [])
