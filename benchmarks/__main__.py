"""`./run.sh bench [--only PART …] [--quick] [--write]`: measures, prints the tables as Markdown."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import outage, overhead, pages, pool, soak, uploads, waiting
from benchmarks.documents import ROOT
from benchmarks.figures import Section, put_into
from benchmarks.processes import machine

PARTS: dict[str, Callable[[Path, bool], Section]] = {
    "uploads": uploads.measure,
    "pages": pages.measure,
    "overhead": overhead.measure,
    "pool": pool.measure,
    "waiting": waiting.measure,
    "outage": outage.measure,
    "soak": soak.measure,
}
ALWAYS = ("uploads", "pages", "overhead", "pool")
"""What is measured when nothing is named; the others are asked for."""
DOCUMENT = ROOT / "docs" / "benchmarks.md"


def main() -> int:
    """0 when everything was measured; a missed aim is a figure, not a failure."""
    wanted = _arguments()
    parts = PARTS | {"soak": partial(soak.measure, documents=wanted.documents)}
    where = machine()
    folder = ROOT / ".data"
    folder.mkdir(mode=0o700, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="bench-", dir=folder))
    sections = []
    try:
        for name in wanted.only or ALWAYS:
            _say(f"measuring {name} …")
            (scratch / name).mkdir()
            sections.append(parts[name](scratch / name, wanted.quick))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    stamp = f"{datetime.now(UTC):%Y-%m-%d}, {where}"
    for section in sections:
        print(f"\n## {section.name}\n\n{section.markdown()}")
    print(f"\nMeasured {stamp}.")
    if wanted.write:
        _write(sections, stamp)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run.sh bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it works")
    parser.add_argument("--documents", type=int, default=soak.DOCUMENTS, metavar="N", help="of the soak")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    return parser.parse_args()


def _write(sections: list[Section], stamp: str) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for section in sections:
        text = put_into(text, section.name, f"{section.markdown()}\n\nMeasured {stamp}.")
    DOCUMENT.write_text(text, encoding="utf-8")
    _say(f"written to {DOCUMENT.relative_to(ROOT)}")


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
