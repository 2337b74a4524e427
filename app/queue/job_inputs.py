"""What a job needs besides its record: the original as a file, the pages that are stored, a finished twin."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bson import ObjectId

from app.db.client import Record
from app.db.collections.work import WorkFiles
from app.domain.analysis import FRESH
from app.domain.errors import PermanentFailure
from app.domain.file import page_key
from app.domain.result import Analysis, Usage
from app.storage.base import Storage

PAGES = "pages"
MISSING = "The uploaded file is no longer in the storage. Upload the document again."


@contextmanager
def original(storage: Storage, record: Record) -> Iterator[Path]:
    """The uploaded bytes as a file on this machine, for as long as the block runs."""
    with ExitStack() as stack:
        try:
            path = storage.local_path(record["blob"])
            if path is None:
                path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="full-rag-"))) / "document"
                storage.fetch_to(record["blob"], path)
        except KeyError as error:
            raise PermanentFailure(MISSING, code="file_missing") from error
        yield path


def pages_stored(storage: Storage, file_id: ObjectId, pages: int) -> bool:
    """Whether a conversion's pages are there: they are stored in order and removed together."""
    try:
        for number in {1, pages}:
            storage.get(page_key(file_id, number))
    except KeyError:
        return False
    return True


def take_over(
    files: WorkFiles, storage: Storage, claimed: Record, token: str, younger_than_s: float
) -> Analysis | None:
    """The analysis of a finished twin, its pages and answers copied to `claimed`; None where there is none.

    Asked after the claim: twins are never in work at once, so the first has ended when this is claimed.
    """
    if claimed.get("options", {}).get(FRESH) or claimed["answered"] or younger_than_s <= 0:
        return None
    twin = files.finished_with(claimed["analysis_key"], younger_than_s)
    if twin is None or twin["_id"] == claimed["_id"]:
        return None
    storage.copy_prefix(str(twin["_id"]), str(claimed["_id"]), PAGES)
    if not pages_stored(storage, claimed["_id"], twin["pages"]):
        return None  # it is being deleted: this document is analysed for itself
    if not files.adopt(claimed["_id"], token, twin):
        return None
    return Analysis(twin["result"], twin["usage"]["model"], Usage(), twin.get("data"))
