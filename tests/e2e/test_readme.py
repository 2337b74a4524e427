"""The README's walk, typed as it stands there: into a shell, against the service of `./run.sh`."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.readme import ROOT, section, shell_blocks
from tests.support.stack import Stack, clean_environment

WALK = "A walk with curl"
STATUSES = ["saving", "queued", "processing", "conversion complete", "api call done"]

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture
def typed(tmp_path: Path) -> list[str]:
    """What each block of the walk printed."""
    shutil.copytree(ROOT / "examples", tmp_path / "here" / "examples")
    outputs = []
    with Stack(tmp_path / "stack") as stack:
        before = ""
        for block in shell_blocks(section(WALK)):
            commands = block.replace("http://localhost:8001", stack.url)
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", before + "echo ===\n" + commands],
                cwd=tmp_path / "here",
                env=clean_environment(no_proxy="*"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, (commands, done.stdout, done.stderr)
            outputs.append(done.stdout.rpartition("===\n")[2])
            before += "".join(line + "\n" for line in commands.splitlines() if re.match(r"[A-Z_]+=", line))
    return outputs


def test_the_walk_does_what_the_readme_says(typed: list[str]) -> None:
    healthy, uploaded, asked, followed, taken, own, batch, told, ended = typed
    assert healthy == '{"status":"healthy"}'
    assert re.fullmatch(r'\{"file_id":"[0-9a-f]{24}"\}', uploaded)
    timeline = asked[asked.rindex('"timeline"') :]
    assert re.findall(r'"status":"([^"]+)"', timeline) == STATUSES
    assert "Nadia Ferreira" in asked
    assert followed.startswith("id: ")
    assert '"status":"api call done"' in followed
    assert "Nadia Ferreira" in taken
    assert '"name":"resume.pdf"' in taken
    assert re.fullmatch(r'\{"file_id":"[0-9a-f]{24}"\}', own)
    assert re.search(r'"file_ids":\["[0-9a-f]{24}","[0-9a-f]{24}"\]', batch)
    assert "resume-scanned.pdf" in batch
    assert re.match(r'\{"file_id":"[0-9a-f]{24}"\}', told)
    assert "not_retryable" in ended
    assert "already_ended" in ended
