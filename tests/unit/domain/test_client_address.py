"""Whose address counts: the header is believed as far as the proxies that we trust reach."""

import pytest

from app.domain.client_address import client_of, comes_from, parse_networks

PROXIES = parse_networks("10.0.0.0/8, 192.0.2.7,2001:db8::/32")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.9", [], "198.51.100.9"),
        ("198.51.100.9", ["1.2.3.4"], "198.51.100.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.9, 10.2.3.4"], "198.51.100.9"),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.9,192.0.2.7"], "198.51.100.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.9, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.9, "], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.9:4711"], "198.51.100.9"),
        ("10.0.0.1", ["[2a00:1:2:3:4:5:6:7]:4711"], "2a00:1:2:3::/64"),
        ("10.0.0.1", ["2a00:1:2:3:ffff::1"], "2a00:1:2:3::/64"),
        ("2001:db8::1", ["198.51.100.9"], "198.51.100.9"),
        ("::ffff:10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("::ffff:198.51.100.9", ["1.2.3.4"], "198.51.100.9"),
        (None, ["1.2.3.4"], "unknown"),
        ("a-unix-socket", ["1.2.3.4"], "unknown"),
    ],
)
def test_the_rightmost_address_that_is_not_a_proxy_s(
    peer: str | None, forwarded: list[str], client: str
) -> None:
    assert client_of(peer, forwarded, PROXIES) == client


def test_who_holds_the_connection() -> None:
    assert comes_from("10.9.9.9", PROXIES)
    assert not comes_from("11.9.9.9", PROXIES)
    assert not comes_from(None, PROXIES)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "example.com", "10.0.0.0/33", "1.2.3"])
def test_a_network_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"10\.1\.0\.0/16"):
        parse_networks(text)
