"""Whether the API in this container answers: exit 0 or 1, for Docker's HEALTHCHECK.

Asks for life, not for readiness: an API that waits for MongoDB must not be killed for it. Uses the
standard library alone (`python -I -S`), so that a check costs a few hundredths of a second.
"""

import sys
from http.client import HTTPConnection, HTTPException

PORT = 8001


def main(path: str) -> int:
    connection = HTTPConnection("127.0.0.1", PORT, timeout=4)
    try:
        connection.request("GET", path)
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, HTTPException):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "/health/live"))
