"""Which network addresses a request made for a stranger may go to: the public internet, nothing else.

`ipaddress.is_global` is not enough: it calls the metadata service behind NAT64, 6to4, multicast
and site-local addresses global, and its answers differ between Python's versions. So the nets are
listed here, and an IPv4 address that hides in an IPv6 one is judged for itself.
"""

from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

REFUSED_V4: Final = tuple(
    (IPv4Network(net), why)
    for net, why in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "reserved"),
        ("192.52.193.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved"),
        ("198.18.0.0/15", "benchmark"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
REFUSED_V6: Final = tuple(
    (IPv6Network(net), why)
    for net, why in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2620:4f:8000::/48", "reserved"),
        ("3fff::/20", "documentation"),
    )
)
PUBLIC_V6: Final = IPv6Network("2000::/3")
"""All that is given out for the public internet; what lies outside is refused without being listed."""
NAT64: Final = IPv6Network("64:ff9b::/96")
SIX_TO_FOUR: Final = IPv6Network("2002::/16")
TEREDO: Final = IPv6Network("2001::/32")
MAPPED: Final = IPv6Network("::ffff:0:0/96")
LOW_32_BITS: Final = (IPv6Network("::/96"), MAPPED, IPv6Network("::ffff:0:0:0/96"), NAT64)
"""IPv4-compatible, IPv4-mapped, IPv4-translated, NAT64: the IPv4 address is the end of the IPv6 one."""
ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})


def parse_address(text: str) -> Address | None:
    """The address that `text` spells in the one plain way, without a zone; None for anything else."""
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except (AddressValueError, ValueError):
        return None


def hidden_v4(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that a packet to `address` may end at."""
    bits = int(address)
    if any(address in net for net in LOW_32_BITS):
        return [IPv4Address(bits & 0xFFFF_FFFF)]
    if address in SIX_TO_FOUR:
        return [IPv4Address(bits >> 80 & 0xFFFF_FFFF)]
    if address in TEREDO:
        return [IPv4Address(bits >> 64 & 0xFFFF_FFFF), IPv4Address(~bits & 0xFFFF_FFFF)]
    if bits >> 32 & 0xFFFF_FFFF in ISATAP:
        return [IPv4Address(bits & 0xFFFF_FFFF)]
    return []


def refusal(address: Address) -> str | None:
    """Why nothing may be sent to `address`; None when it is a public one."""
    if isinstance(address, IPv4Address):
        return next((why for net, why in REFUSED_V4 if address in net), None)
    if address.scope_id is not None:
        return "link-local"
    named = next((why for net, why in REFUSED_V6 if address in net), None)
    if named is not None:
        return named
    for inner in hidden_v4(address):
        why = refusal(inner)
        if why is not None:
            return f"{why} inside IPv6"
    if any(address in net for net in (PUBLIC_V6, NAT64, MAPPED)):
        return None
    return "reserved"
