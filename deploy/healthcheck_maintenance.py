"""Whether the maintenance process can do its work: exit 0 or 1, for Docker's HEALTHCHECK.

It has no port to ask. All it does is done in MongoDB, so what is asked is whether its own login works
there; a process that ended is seen by Docker without a check.
"""

import sys

from pymongo.errors import PyMongoError

from app.config import ConfigError, MaintenanceSettings, load
from app.db.client import sync_client


def main() -> int:
    try:
        settings = load(MaintenanceSettings)
        with sync_client(settings.mongo_url.get_secret_value(), max_pool=1) as client:
            client[settings.mongo_db].list_collection_names()
    except (ConfigError, PyMongoError) as error:
        sys.stderr.write(f"{type(error).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
