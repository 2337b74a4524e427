"""Memory of processes, as Linux counts it: peak RSS of one, PSS and RSS of a family."""

import math
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

MEGABYTE = 1024 * 1024
EVERY_S = 0.005


def forget_peak(pid: int) -> None:
    """From now on the peak is counted anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def peak_rss_mb(pid: int) -> float:
    """The most that the process has occupied since `forget_peak`, or since its start."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/{pid}/status has no VmHWM")


def family_of(pid: int) -> list[int]:
    """The process and all that descends from it."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    return []


def pss_mb(pids: list[int]) -> float:
    """What the processes occupy together, shared pages counted once; NaN where it may not be read.

    The service's workers are not dumpable, so only root may read it.
    """
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except PermissionError:
            return math.nan
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def rss_mb(pids: list[int]) -> float:
    """The sum of what each occupies: pages that two share are counted twice."""
    total = 0
    for pid in pids:
        with suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total / MEGABYTE


class Peak:
    """Looks at a family again and again while the block runs; `mb` is the most that it had."""

    def __init__(self, pid: int, measure: Callable[[list[int]], float] = rss_mb) -> None:
        self.mb = 0.0
        self._pid = pid
        self._measure = measure
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self.mb = max(self.mb, self._measure(family_of(self._pid)))
            if self._ended.wait(EVERY_S):
                return
