"""The chaos run: uploads without end, faults drawn from a seed, and a judgement at the end.

    ./run.sh chaos [--seconds 45] [--seed S] [--faults horse,mongo_kill] [--mutant no-fence]

The last line is one JSON object. Exit code 1: something was lost, stuck, done twice or paid for twice
without a reason, too little was accepted, or a drawn fault never happened.
"""

import argparse
import json
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from tests.chaos.client import Uploads
from tests.chaos.faults import FaultLog, Faults
from tests.chaos.judge import Verdict, judge, recoveries
from tests.chaos.mutants import MUTANTS
from tests.chaos.plan import KINDS, draw
from tests.chaos.quiet import wait_until_quiet
from tests.chaos.system import System
from tests.chaos.watch import STEP_S, Watch

ENOUGH: Final = 50
ENOUGH_IN_S: Final = 45.0


def main() -> int:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {options.seed}, {options.seconds:g} s, logs in {folder}", flush=True)
    result, complaints = run(folder, options)
    for line in complaints:
        print(f"  ! {line}")
    if not (complaints or options.keep):
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(result), flush=True)
    return 1 if complaints else 0


def run(folder: Path, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """The last line's object, and whatever is wrong."""
    with System(folder, options.seed, options.mutant) as system:
        uploads, watch = Uploads(system, options.seed), Watch(system)
        faults = Faults(system, uploads.full)
        started = time.monotonic()
        uploads.start()
        watch.start()
        try:
            faults.run(draw(options.seed, options.seconds, options.faults))
            time.sleep(max(0.0, started + options.seconds - time.monotonic()))
        finally:
            uploads.stop()
            system.clean_up_after_faults()
        print(
            f"  the last fault and upload after {time.monotonic() - started:.0f} s: {dict(uploads.answers)}",
            flush=True,
        )
        wait_until_quiet(system)
        print(f"  nothing more to come after {time.monotonic() - started:.0f} s", flush=True)
        watch.stop()
        records = list(system.files.find())
        requests = [json.loads(line) for line in system.model_log.read_text().splitlines()]
        events = [*faults.log.events, *watch.standstills]
        verdict = judge(uploads.accepted, records, requests, events)
        slowest, which = max(recoveries(records, events, watch.idle, STEP_S), default=(0.0, ""))
        print(f"  slowest recovery: {slowest:.2f} s idle, {which}", flush=True)
    complaints = _complaints(options, verdict, faults.log, uploads.contradictions)
    return _result(options, verdict, faults.log, slowest), complaints


def _result(options: argparse.Namespace, verdict: Verdict, log: FaultLog, slowest: float) -> dict[str, Any]:
    unexplained = len(verdict.unexplained)
    return {
        "seed": options.seed,
        "seconds": options.seconds,
        "accepted": verdict.accepted,
        "lost": len(verdict.lost),
        "stuck": len(verdict.stuck),
        "duplicated_results": len(verdict.duplicated),
        "paid_calls": verdict.paid_calls,
        "extra_paid": verdict.extra_paid,
        "explained_extra_paid": verdict.explained.total(),
        "unexplained_extra_paid": unexplained,
        "max_recovery_s": round(slowest, 2),
        "faults": dict(sorted(log.happened.items())),
    }


def _complaints(
    options: argparse.Namespace, verdict: Verdict, log: FaultLog, contradictions: list[str]
) -> list[str]:
    enough = round(ENOUGH * min(1.0, options.seconds / ENOUGH_IN_S))
    complaints = [f"lost: {one}" for one in verdict.lost]
    complaints += [f"stuck: {one}" for one in verdict.stuck]
    complaints += [f"duplicated: {one}" for one in verdict.duplicated]
    complaints += [f"unexplained: {one}" for one in verdict.unexplained]
    complaints += [f"never happened: {kind} ({count})" for kind, count in log.missing.items()]
    complaints += log.troubles + contradictions
    if verdict.accepted < enough:
        complaints.append(f"only {verdict.accepted} documents were accepted, {enough} were to be")
    return complaints


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run.sh chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(100_000))
    parser.add_argument("--faults", type=_kinds, default=list(KINDS), help=f"of {','.join(KINDS)}")
    parser.add_argument("--mutant", choices=MUTANTS, help="break the service on purpose; the run must fail")
    parser.add_argument("--keep", action="store_true", help="keep the folder of logs and data")
    return parser.parse_args()


def _kinds(text: str) -> list[str]:
    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    unknown = set(kinds) - set(KINDS)
    if unknown or not kinds:
        raise argparse.ArgumentTypeError(
            f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}"
        )
    return kinds


if __name__ == "__main__":
    sys.exit(main())
