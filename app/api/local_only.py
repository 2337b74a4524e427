"""While keys are off, only programs of this machine and pages of this service may ask.

A web page from elsewhere can make a visitor's browser send requests to 127.0.0.1. Two things give it
away: its `Origin`, and (after it has pointed a name of its own at 127.0.0.1) the `Host` it asks for.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from app.domain.errors import DomainError

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
PRIVATE_NAMES: Final = ("localhost", "internal", "local", "lan", "home", "test", "home.arpa", "localdomain")
"""Endings of names that nobody can register."""


class HostRefused(DomainError):
    code = "host_refused"
    default_message = (
        "While no key is asked for (AUTH=off), this server answers under local names and addresses only. "
        "Set AUTH=required to use it under a public name."
    )


class OriginRefused(DomainError):
    code = "origin_refused"
    default_message = (
        "A page from elsewhere sent this, and no key is asked for (AUTH=off). Name its origin in "
        "CORS_ORIGINS, or set AUTH=required."
    )


def refuse_strangers(method: str, headers: Headers, origins: Sequence[str]) -> None:
    """Raise when a page of somebody else seems to be behind the request."""
    host = headers.get("host", "")
    if not is_local(host):
        raise HostRefused()
    origin = headers.get("origin")
    if method in READING or origin is None or origin in origins:
        return
    if urlsplit(origin).netloc.lower() != host.lower():
        raise OriginRefused()


def is_local(host: str) -> bool:
    """Whether nobody outside can own the name in `Host`: an address, a single word, a private ending."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if "." not in name or name.endswith(tuple(f".{ending}" for ending in PRIVATE_NAMES)):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
