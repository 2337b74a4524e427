"""Every special net, and every way of hiding an IPv4 address in an IPv6 one."""

import pytest

from app.domain.addresses import parse_address, refusal

REFUSED = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "10.255.255.255": "private",
    "100.64.0.1": "carrier-grade NAT",
    "100.100.100.200": "carrier-grade NAT",
    "100.127.255.255": "carrier-grade NAT",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "cloud metadata",
    "169.254.0.1": "link-local",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.8": "reserved",
    "192.0.0.192": "reserved",
    "192.0.2.1": "documentation",
    "192.88.99.1": "reserved",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmark",
    "198.19.255.255": "benchmark",
    "198.51.100.7": "documentation",
    "203.0.113.7": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "loopback inside IPv6",
    "::127.0.0.1": "loopback inside IPv6",
    "::8.8.8.8": "reserved",
    "::ffff:127.0.0.1": "loopback inside IPv6",
    "::ffff:a9fe:a9fe": "link-local inside IPv6",
    "::ffff:10.0.0.1": "private inside IPv6",
    "::ffff:0:127.0.0.1": "loopback inside IPv6",
    "64:ff9b::a9fe:a9fe": "link-local inside IPv6",
    "64:ff9b::10.0.0.1": "private inside IPv6",
    "64:ff9b:1::8.8.8.8": "local NAT64",
    "64:ff9b:1:7f00:0:1::": "local NAT64",
    "2002:7f00:1::": "loopback inside IPv6",
    "2002:a9fe:a9fe::1": "link-local inside IPv6",
    "2002:c0a8:101::1": "private inside IPv6",
    "2001:0:7f00:1::": "reserved",
    "2001:0:808:808:0:0:5601:5601": "reserved",
    "2001:20::1": "reserved",
    "2001:db8::1": "documentation",
    "3fff::1": "documentation",
    "5f00::1": "reserved",
    "100::1": "reserved",
    "4000::1": "reserved",
    "fc00::1": "private",
    "fd00:ec2::254": "private",
    "fe80::1": "link-local",
    "febf::1": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
    "2600::5efe:7f00:1": "loopback inside IPv6",
    "2600::200:5efe:192.168.0.1": "private inside IPv6",
}
PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "198.17.255.255",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::8a",
    "2002:808:808::1",
    "64:ff9b::8.8.8.8",
    "::ffff:8.8.8.8",
)


@pytest.mark.parametrize(("text", "why"), REFUSED.items())
def test_an_address_that_leads_inside_is_refused(text: str, why: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert refusal(address) == why


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_let_through(text: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert refusal(address) is None


@pytest.mark.parametrize(
    "text", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "fe80::1%eth0", "1.2.3.4.5", ""]
)
def test_only_the_plain_spelling_is_an_address(text: str) -> None:
    assert parse_address(text) is None
