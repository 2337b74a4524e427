"""A worker's connection to Valkey: waits out an outage, where RQ's own makes the worker quit."""

from typing import Any, Final

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from app.pipeline.sandbox_libc import make_undumpable
from app.queue.prepare import prepare_pool

RETRIES: Final = 60
LONGEST_PAUSE_S: Final = 2.0
FIRST_PAUSE_S: Final = 0.1
CONNECT_TIMEOUT_S: Final = 5.0


def patient_retry() -> Retry:
    """About a minute and a half of refused connections; each hanging one adds its time-out."""
    return Retry(ExponentialWithJitterBackoff(cap=LONGEST_PAUSE_S, base=FIRST_PAUSE_S), RETRIES)


class PatientConnection(Redis):
    """What RQ_CONNECTION_CLASS names."""

    @classmethod
    def from_url(cls, url: str, *args: Any, **kwargs: Any) -> "PatientConnection":
        # The first of our code that the stock command runs, also in a pool's parent, which never runs a
        # worker's: the model's key is in its environment, so no process of the same user may look there.
        make_undumpable()
        prepare_pool()
        patient = {
            "retry": patient_retry(),
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "driver_info": None,  # as in `hasty_client`: every work-horse connects anew
        }
        connection = super().from_url(url, *args, **(patient | kwargs))
        assert isinstance(connection, cls)
        return connection
