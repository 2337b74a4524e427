"""45 seconds of chaos: whatever dies, nothing accepted is lost and nothing is paid twice without a reason."""

import json
import subprocess
import sys

import pytest

from tests.support.stack import ROOT, clean_environment


@pytest.mark.timeout(480)
def test_nothing_is_lost_and_nothing_is_paid_twice_under_fire() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--seconds", "45", "--seed", "1"],
        cwd=ROOT,
        env=clean_environment(PYTHONPATH=str(ROOT), PYTHONSAFEPATH="1"),
        stdout=subprocess.PIPE,
        text=True,
        timeout=420,
        check=False,
    )
    print(run.stdout)
    result = json.loads(run.stdout.splitlines()[-1])
    assert run.returncode == 0
    assert result["accepted"] >= 50
    assert all(result["faults"].values())
    wrong = ("lost", "stuck", "duplicated_results", "unexplained_extra_paid")
    assert [result[name] for name in wrong] == [0, 0, 0, 0]
