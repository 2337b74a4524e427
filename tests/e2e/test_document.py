"""One document through all processes of ./run.sh, over HTTP."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT, Stack

RESUME = (ROOT / "examples" / "resume.pdf").read_bytes()
SCANNED = (ROOT / "examples" / "resume-scanned.pdf").read_bytes()
WALK = ["saving", "queued", "processing", "conversion complete", "api call done"]


def test_resume_walks_through_the_five_statuses_to_a_result(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack, stack.client() as client:
        assert client.get("/").json() == {"status": "healthy"}
        file_id = stack.upload(RESUME, "Nadia Ferreira.pdf")
        record = stack.wait(file_id, "api call done")
        assert [entry["status"] for entry in record["timeline"]] == WALK
        assert (record["_id"], record["name"]) == (file_id, "Nadia Ferreira.pdf")
        assert "nadia.ferreira@example.com" in record["result"]
        assert stack.record(file_id)["status"] == "api call done"


def test_documents_go_on_after_each_process_in_turn_was_killed(tmp_path: Path) -> None:
    with Stack(tmp_path, {"LEASE_S": "2"}) as stack:
        for name in ("api", "worker", "maintenance", "valkey", "mongo"):
            before = stack.upload(RESUME)
            stack.kill(name)
            stack.restart(name)
            stack.until_ready()
            after = stack.upload(RESUME + name.encode())
            for file_id in (before, after):
                assert "nadia.ferreira@example.com" in stack.wait(file_id, "api call done")["result"], name


def test_stock_worker_typed_by_hand_works_the_queue(tmp_path: Path) -> None:
    """With nothing but the environment that was written to the data folder."""
    with Stack(tmp_path, workers=0) as stack:
        file_id = stack.upload(RESUME)
        assert stack.get(file_id)["status"] == "queued"
        rq = Path(sys.executable).parent / "rq"
        line = f'set -a; . "{stack.service.data}/env"; set +a; exec "{rq}" worker --with-scheduler'
        line += ' --url "$VALKEY_URL"'
        stack.run("typed", ["env", "-i", "PATH=/usr/bin:/bin", "bash", "-c", line])
        assert "nadia.ferreira@example.com" in stack.wait(file_id, "api call done")["result"]


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_scanned_resume_is_read_by_ocr(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        record = stack.wait(stack.upload(SCANNED), "api call done")
        assert "nadia.ferreira@example.com" in record["result"]
