"""A deliverer as a process of its own, to be killed: `python -m tests.support.deliver URL DATABASE ALLOW`."""

import asyncio
import sys

from app.config import MaintenanceSettings
from app.db.client import async_client, async_database
from app.notify.deliverer import Deliverer
from app.notify.guarded_client import GuardedClient
from app.notify.schedule import Schedule

ATTEMPTS = 30
LEASE_S = 4.0
TIMEOUT_S = 1.5


async def deliver(url: str, name: str, allow: str) -> None:
    settings = MaintenanceSettings(webhook_allow=allow)
    async with async_client(url) as client:
        deliverer = Deliverer(
            async_database(client, name),
            settings,
            client=GuardedClient(settings.allowed_targets, total_s=TIMEOUT_S),
            schedule=Schedule(delays_s=(0.0,) + (0.05,) * (ATTEMPTS - 1)),
            lease_s=LEASE_S,
            poll_s=0.05,
        )
        await deliverer.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(deliver(*sys.argv[1:]))
