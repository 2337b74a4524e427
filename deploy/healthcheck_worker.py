"""Whether an RQ worker of this container is alive: exit 0 or 1, for Docker's HEALTHCHECK.

A worker keeps a key in Valkey that expires soon after it was last heard of; one with this host's
name must be there. While Valkey is away the worker waits for it, and starting it again would not help:
that counts as healthy.
"""

import socket
import sys

from redis import Redis, RedisError
from rq import Worker

from app.config import ConfigError, SharedSettings, load


def main() -> int:
    try:
        url = load(SharedSettings).valkey_url.get_secret_value()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    connection = Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3)
    try:
        hosts = {worker.hostname for worker in Worker.all(connection=connection)}
    except RedisError as error:
        sys.stdout.write(f"Valkey is away ({type(error).__name__}); the worker waits for it.\n")
        return 0
    finally:
        connection.close()
    return 0 if socket.gethostname() in hosts else 1


if __name__ == "__main__":
    sys.exit(main())
