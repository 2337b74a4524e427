"""The pool's floor: the service's own worker class, whose job sleeps for a second and notes that it ended.

Everything around the job is the same: pool, fork, RQ's bookkeeping, what the parent has loaded.
"""

import os
import time
from pathlib import Path
from typing import Any

from app.queue import jobs
from app.queue.workers import FullRagWorker

NAP_S = 1.0


def nap(file_id: str) -> None:
    """In place of `app.queue.jobs.process`."""
    time.sleep(NAP_S)
    with Path(os.environ["NAPS"]).open("a", encoding="ascii") as naps:
        naps.write(f"{file_id} {time.time()}\n")


class SleepingWorker(FullRagWorker):
    """What RQ_WORKER_CLASS names in the floor's rounds."""

    def work(self, *args: Any, **kwargs: Any) -> bool:
        jobs.process = nap
        return super().work(*args, **kwargs)
