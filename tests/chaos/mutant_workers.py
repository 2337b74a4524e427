"""What RQ_WORKER_CLASS names when a worker is to be broken."""

from typing import Any

from app.queue.workers import FullRagWorker
from tests.chaos.mutants import without_claim, without_fence


class NoClaimWorker(FullRagWorker):
    def work(self, *args: Any, **kwargs: Any) -> bool:
        without_claim()
        return super().work(*args, **kwargs)


class NoFenceWorker(FullRagWorker):
    def work(self, *args: Any, **kwargs: Any) -> bool:
        without_fence()
        return super().work(*args, **kwargs)
