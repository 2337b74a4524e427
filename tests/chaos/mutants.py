"""The service, broken on purpose: chaos must notice each of these.

Workers take a mutant's class through RQ_WORKER_CLASS; an API without its reconciler is
`python -m tests.chaos.mutants`.
"""

import sys
from collections import Counter
from typing import Any, Final

from bson import ObjectId

MUTANTS: Final = ("no-claim", "no-fence", "no-reconciler")
WORKER_CLASSES: Final = {
    "no-claim": "tests.chaos.mutant_workers.NoClaimWorker",
    "no-fence": "tests.chaos.mutant_workers.NoFenceWorker",
}


def without_claim() -> None:
    """A worker takes whatever it hears of, also what another holds."""
    from app.db.collections.work import WorkFiles
    from app.db.transitions import work
    from app.db.transitions.change import Change
    from app.domain.status import IN_WORK, Status

    find, claim = WorkFiles.find, work.claim
    anybody_s = {"$in": [str(Status.QUEUED), *map(str, IN_WORK)]}

    def blind_find(self: WorkFiles, file_id: ObjectId) -> dict[str, Any] | None:
        record = find(self, file_id)
        if record is not None and record["status"] in IN_WORK:
            record["status"] = str(Status.QUEUED)
        return record

    def greedy_claim(file_id: ObjectId, *arguments: Any, **more: Any) -> Change:
        change = claim(file_id, *arguments, **more)
        return Change({"_id": file_id, "status": anybody_s}, change.update, change.landed)

    WorkFiles.find = blind_find  # type: ignore[method-assign]
    work.claim = greedy_claim  # type: ignore[assignment]


def without_fence() -> None:
    """A worker pays without asking whether the document is still its own."""
    from app.domain.file import new_token
    from app.queue.ports import WorkerPorts

    def no_fence(self: WorkerPorts, batch: int, model: str) -> str:
        return new_token()

    WorkerPorts.fence = no_fence  # type: ignore[method-assign]


def without_reconciler() -> None:
    """Nobody mends."""
    from app.queue.reconciler import Reconciler

    async def nothing(self: Reconciler) -> Counter[str]:
        return Counter()

    Reconciler.tick = nothing  # type: ignore[method-assign]


def main() -> int:
    """The API process without its reconciler."""
    from app.main import main as api

    without_reconciler()
    return api()


if __name__ == "__main__":
    sys.exit(main())
