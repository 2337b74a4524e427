"""How full the storage's disk is; a bucket has no such figure."""

import shutil
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge


def show_disk(registry: CollectorRegistry, folder: Path | None) -> None:
    """Free space and size of the file system that holds `folder`, asked at each scrape."""
    if folder is None:
        return
    free = Gauge("full_rag_storage_free_bytes", "Free space of the storage's disk.", registry=registry)
    size = Gauge("full_rag_storage_size_bytes", "Size of the storage's disk.", registry=registry)
    free.set_function(lambda: _space(folder)[0])
    size.set_function(lambda: _space(folder)[1])


def _space(folder: Path) -> tuple[float, float]:
    try:
        found = shutil.disk_usage(folder)
    except OSError:  # the folder is gone: nothing can be written, and the alert is right
        return 0, 1
    return found.free, found.total
