"""The reconciler's steps on batches: those whose request died, and those of which nothing is left."""

from app.db.collections.batches import Batches
from app.queue.tally import Tally


class BatchSteps:
    """Each is a compare-and-set, or removes what nobody can add to any more."""

    def __init__(self, batches: Batches, tally: Tally) -> None:
        self._batches = batches
        self._tally = tally

    async def abandoned(self) -> None:
        """open → closed with the documents that were accepted: its request will not bring any more."""
        for batch in await self._batches.abandoned():
            if await self._batches.close_abandoned(batch):
                self._tally.acted("batch_closed")

    async def empty(self) -> None:
        """Closed batches whose documents were all deleted or are past their retention."""
        self._tally.acted("batch_forgotten", count=await self._batches.forget_empty())
