"""API keys: how they look, what is kept of them, and what their holder may do.

A key is `frag_<8 id>_<43 random>`. The id finds its record; the rest is 256 random bits, of which only
the SHA-256 of the whole key is kept. So much chance needs no slow hash: there is nothing to guess.
"""

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

ID_LETTERS: Final = string.ascii_lowercase + string.digits
SHAPE: Final = re.compile(r"frag_([0-9a-z]{8})_[A-Za-z0-9_-]{43}", re.ASCII)
NAME_SHAPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}", re.ASCII)
"""Of a key's name and of an owner: letters, digits, blank and ._@-, at most 64."""


class Scope(StrEnum):
    """What a key is good for; each includes the one before."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def allows(self, needed: "Scope") -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class Caller:
    """Who asks. `key_id` is None while keys are off."""

    owner: str
    scope: Scope
    key_id: str | None = None


@dataclass(frozen=True)
class Presented:
    """What a caller showed, without the secret: the id to look up and the hash to compare."""

    key_id: str
    digest: str = field(repr=False)


@dataclass(frozen=True)
class NewKey:
    """A key at the only moment at which it is known."""

    key_id: str
    text: str = field(repr=False)
    digest: str = field(repr=False)


@dataclass(frozen=True)
class KeyRecord:
    """What is kept of a key."""

    key_id: str
    owner: str
    name: str
    scope: Scope
    digest: str = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaced_by: str | None = None
    """The key that was made in its place."""

    def matches(self, presented: Presented) -> bool:
        """In a time that tells nothing about where the two differ."""
        return hmac.compare_digest(self.digest, presented.digest)

    def expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


def make_key() -> NewKey:
    """A fresh key from the system's source of chance."""
    key_id = "".join(secrets.choice(ID_LETTERS) for _ in range(8))
    text = f"frag_{key_id}_{secrets.token_urlsafe(32)}"
    return NewKey(key_id, text, digest_of(text))


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def parse_key(text: str) -> Presented | None:
    """None when it does not look like one of our keys at all."""
    match = SHAPE.fullmatch(text)
    return Presented(match[1], digest_of(text)) if match else None
