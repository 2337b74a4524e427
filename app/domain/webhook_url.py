"""The address a client wants to be told at: read strictly, in the one spelling that has one meaning.

Parsers disagree about odd spellings (decimal and hexadecimal addresses, backslashes, tabs, user
names, zone ids), and such disagreement is how a request ends at a server inside. So nothing is
repaired here: what is not plain is refused, with the plain spelling named. Where a host's
addresses lead is judged when the request is made (`app.notify`), since names change their answers.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final, Self

from app.domain.addresses import Address, Network, parse_address, refusal
from app.domain.errors import DomainError

MAX_URL: Final = 2048
PORTS: Final = frozenset({443, 8443})
DEFAULT_PORT: Final = {"https": 443, "http": 80}
URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^/?#:\[\]]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?",
    re.IGNORECASE,
)
LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
NAME: Final = re.compile(rf"{LABEL}(?:\.{LABEL})*")
NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
PLAIN: Final = re.compile(r"[!-~]+")
INSIDE: Final = frozenset({"loopback", "private", "carrier-grade NAT"})
"""What a host that the operator allowed by name may resolve to; the rest needs its network allowed."""


class InvalidWebhookUrl(DomainError):
    code = "invalid_webhook_url"


@dataclass(frozen=True)
class Allowed:
    """What the operator's `WEBHOOK_ALLOW` adds to the public internet's https ports.

    `host` and `host:port` name hosts of one's own: http as well as https, private addresses, and
    that port. A network (`10.1.0.0/16`) lets any name lead to addresses within it, by https only.
    """

    hosts: frozenset[str] = frozenset()
    ports: frozenset[tuple[str, int]] = frozenset()
    networks: tuple[Network, ...] = field(default=())

    @classmethod
    def parse(cls, text: str) -> Self:
        """The comma-separated setting; raises ValueError that names the entry and the fix."""
        hosts: set[str] = set()
        ports: set[tuple[str, int]] = set()
        networks: list[Network] = []
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            if "/" in entry:
                networks.append(_network(entry))
                continue
            host, port = _host_and_port(entry)
            hosts.add(host)
            ports |= {(host, port)} if port else {(host, known) for known in (*PORTS, 80)}
        return cls(frozenset(hosts), frozenset(ports), tuple(networks))

    def refusal(self, host: str, address: Address) -> str | None:
        """Why a request to `host` may not be sent to `address`, one of those it resolved to."""
        why = refusal(address)
        if why is None or any(address in net for net in self.networks):
            return None
        return None if why in INSIDE and host in self.hosts else why


@dataclass(frozen=True)
class WebhookUrl:
    """A URL in parts that need no second parser: `host` without brackets, `target` = path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == DEFAULT_PORT[self.scheme] else f"{name}:{self.port}"


def parse_webhook_url(url: str, allowed: Allowed) -> WebhookUrl:
    """The parts of `url`; raises `InvalidWebhookUrl` that says what to write instead."""
    if len(url) > MAX_URL:
        raise InvalidWebhookUrl(f"webhook_url: at most {MAX_URL} characters.")
    if not PLAIN.fullmatch(url) or "\\" in url:
        raise InvalidWebhookUrl(
            "webhook_url: only plain ASCII without blanks or backslashes. Percent-encode the path and "
            "write an international host name in its xn-- form."
        )
    match = URL.fullmatch(url)
    if match is None:
        raise InvalidWebhookUrl(_what_is_wrong(url))
    scheme = match["scheme"].lower()
    host = _plain_host(match["host"].lower())
    port = int(match["port"]) if match["port"] else DEFAULT_PORT[scheme]
    _check_policy(scheme, host, port, allowed)
    return WebhookUrl(scheme, host, port, (match["path"] or "/") + (match["query"] or ""))


def _what_is_wrong(url: str) -> str:
    if not url.lower().startswith(("https://", "http://")):
        return "webhook_url: must start with https://, as in https://example.com/hook."
    if "#" in url:
        return "webhook_url: must hold no #fragment; it is never sent."
    return "webhook_url: cannot be read. Write it as https://host[:port]/path, without user name or password."


def _plain_host(written: str) -> str:
    """The host as it is looked up and certified: a name, a dotted quad or an IPv6 address."""
    host = written.removeprefix("[").removesuffix("]")
    address = parse_address(host)
    if host != written:
        if not isinstance(address, IPv6Address):
            raise InvalidWebhookUrl("webhook_url: only an IPv6 address stands in brackets.")
        return str(address)
    if isinstance(address, IPv4Address):
        return host
    if len(host) > 253 or not NAME.fullmatch(host):
        raise InvalidWebhookUrl(
            "webhook_url: the host must be a plain name such as hooks.example.com, without user name, "
            "% escapes or a dot at its end."
        )
    if NUMBER.fullmatch(host.rpartition(".")[2]):
        raise InvalidWebhookUrl("webhook_url: write an IPv4 address as four decimal numbers (192.0.2.1).")
    return host


def _check_policy(scheme: str, host: str, port: int, allowed: Allowed) -> None:
    known = host in allowed.hosts
    if scheme != "https" and not known:
        raise InvalidWebhookUrl(
            "webhook_url: must start with https:// (the operator can allow http for a host by WEBHOOK_ALLOW)."
        )
    if port not in PORTS and (host, port) not in allowed.ports:
        raise InvalidWebhookUrl(
            "webhook_url: only the ports 443 and 8443 (the operator can add host:port by WEBHOOK_ALLOW)."
        )
    address = parse_address(host)
    if address is not None and allowed.refusal(host, address) is not None:
        raise InvalidWebhookUrl("webhook_url: must lead to an address on the public internet.")
    if address is None and "." not in host and not known:
        raise InvalidWebhookUrl(
            "webhook_url: the host must be a full name with a dot, as in hooks.example.com."
        )


def _network(entry: str) -> Network:
    try:
        return ip_network(entry)
    except ValueError:
        raise ValueError(f"{entry!r} is no network; write it as in 10.1.0.0/16 (host bits zero)") from None


def _host_and_port(entry: str) -> tuple[str, int | None]:
    """`host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address."""
    address = parse_address(entry)
    if address is not None:
        return str(address), None
    match = re.fullmatch(r"(?P<host>\[[0-9a-f:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?", entry)
    if match is None:
        raise ValueError(f"{entry!r} must be host, host:port or a network such as 10.1.0.0/16")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65_536:
        raise ValueError(f"{entry!r}: the port must lie between 1 and 65535")
    try:
        return _plain_host(match["host"]), port
    except InvalidWebhookUrl:
        raise ValueError(f"{entry!r}: write a plain name or address, as in hooks.internal") from None


def lane_of(owner: str, url: str) -> str:
    """Deliveries to one host for one owner stand in one line."""
    match = URL.fullmatch(url)
    return f"{owner} {match['host'].lower() if match else ''}"
