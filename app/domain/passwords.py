"""Which passwords between our own services are none: missing ones, and those of examples."""

from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

PLACEHOLDERS: Final = frozenset(
    {
        "changeme",
        "change-me",
        "change_me",
        "changeit",
        "replace-me",
        "placeholder",
        "example",
        "default",
        "todo",
    }
    | {"password", "passwd", "pass", "secret", "your-password", "yourpassword", "your-password-here"}
    | {"admin", "root", "mongo", "mongodb", "valkey", "redis", "test", "guest", "full_rag"}
    | {"1234", "12345", "123456", "xxx", "xxxx"}
)
WITHOUT_PASSWORD: Final = frozenset({"MONGODB-X509", "MONGODB-AWS", "MONGODB-OIDC", "GSSAPI"})
"""MongoDB's ways of proving who one is that need no password in the address."""


def trouble_with_password(url: str) -> str | None:
    """Why the password in a store's address will not do in production; None when it does."""
    parts = urlsplit(url)
    mechanism = parse_qs(parts.query).get("authMechanism", [""])[0].upper()
    if parts.scheme == "unix" or mechanism in WITHOUT_PASSWORD:
        return None
    userinfo, at, _ = parts.netloc.rpartition("@")
    password = unquote(userinfo.partition(":")[2]) if at else ""
    if not password:
        return "has no password, which ENVIRONMENT=production refuses: put user:password@ before the host"
    if password.strip().lower() in PLACEHOLDERS:
        return "holds a placeholder for a password: put a random one there (openssl rand -hex 32)"
    return None
