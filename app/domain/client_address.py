"""The address of whoever asks, through the proxies that we trust and no others."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
UNKNOWN: Final = "unknown"
SITE_PREFIX: Final = 64
"""A household or a host has a whole /64 of IPv6: it counts as one client."""


def parse_networks(text: str) -> tuple[Network, ...]:
    """`10.0.0.0/8, 192.0.2.7` as networks; raises ValueError with what is wrong."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(
            f"{error}. Give addresses or networks with commas between, as in 10.1.0.0/16"
        ) from None


def client_of(peer: str | None, forwarded: Iterable[str], trusted: Sequence[Network]) -> str:
    """The rightmost address of `X-Forwarded-For` that no trusted proxy has.

    `peer` is who holds the connection; `forwarded` are the header's lines in their order. Each proxy adds
    on the right whom it heard, so what stands left of the first stranger is that stranger's own word.
    """
    chain = [part.strip() for line in forwarded for part in line.split(",")]
    current = _address(peer)
    while current is not None and chain and _among(current, trusted):
        before = _address(chain.pop())
        if before is None:
            break  # no address: whoever wrote that, the last proxy is the last thing known
        current = before
    return UNKNOWN if current is None else _counted(current)


def comes_from(peer: str | None, networks: Sequence[Network]) -> bool:
    """Whether the holder of the connection is one of those."""
    address = _address(peer)
    return address is not None and _among(address, networks)


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    if not text:
        return None
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _among(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _counted(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, SITE_PREFIX), strict=False))
    return str(address)
