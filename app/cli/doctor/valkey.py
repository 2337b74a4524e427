"""Valkey: is the doorbell there, and does it keep what rings?"""

from collections.abc import Mapping
from typing import Any, Final

from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from app.cli.doctor.finding import Finding, Findings, fail, ok, skip, warn, where
from app.config import SharedSettings
from app.queue.valkey import hasty_client

PART: Final = "valkey"
PATIENCE_S: Final = 3.0
START: Final = (
    "Start it, or correct VALKEY_URL (host, port, network; rediss:// where the server asks for TLS)."
)
PASSWORD: Final = (
    "Correct the password in VALKEY_URL, as in redis://:password@host:6379 (rediss:// with TLS)."  # noqa: S105
)


def connect(settings: SharedSettings) -> tuple[Redis | None, list[Finding]]:
    url = settings.valkey_url.get_secret_value()
    try:
        client = hasty_client(url, PATIENCE_S)
        client.ping()
    except (AuthenticationError, NoPermissionError):
        return None, [fail(PART, f"{where(url)} refuses the password", PASSWORD)]
    except (RedisError, OSError, ValueError) as error:
        if "NOAUTH" in str(error) or "WRONGPASS" in str(error):
            return None, [fail(PART, f"{where(url)} refuses the password", PASSWORD)]
        return None, [fail(PART, f"{where(url)} does not answer ({type(error).__name__})", START)]
    return client, [ok(PART, f"{where(url)} answers")]


def look(client: Redis) -> Findings:
    try:
        info: Mapping[str, Any] = client.info()
    except (RedisError, OSError) as error:
        yield skip("valkey server", f"does not tell about itself ({type(error).__name__})")
        return
    if info.get("role") == "slave":
        yield fail(
            "valkey server",
            "it is a replica, which takes no writes: no worker would ever be rung",
            "Point VALKEY_URL at the primary.",
        )
    yield _eviction(info)
    yield _persistence(info)


def _eviction(info: Mapping[str, Any]) -> Finding:
    policy, part = str(info.get("maxmemory_policy", "unknown")), "valkey eviction"
    if policy == "noeviction":
        return ok(part, "noeviction")
    return warn(
        part,
        f"maxmemory-policy is {policy}: under pressure bells and rate limits are thrown away",
        "Set maxmemory-policy noeviction (documents are not lost; they are only begun later).",
    )


def _persistence(info: Mapping[str, Any]) -> Finding:
    if int(info.get("aof_enabled", 0)):
        return ok("valkey persistence", "append-only file")
    return ok("valkey persistence", "none: after its restart the bells are rung again by the service")
