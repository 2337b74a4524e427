"""The laws of the images: exact base, hashed packages, no root, heavy tools where they are used."""

import json
import re
import shutil
import subprocess

import pytest

from tests.support.containers import ROOT, dockerfile_stages, inherited

FINAL = ("api", "worker", "dev")


def words(stage: str) -> str:
    return " ".join(inherited(stage))


def last(stage: str, instruction: str) -> str:
    found = [line for line in inherited(stage) if line.startswith(f"{instruction} ")]
    assert found, f"{stage} has no {instruction}"
    return found[-1].removeprefix(f"{instruction} ")


def test_the_only_foreign_image_is_python_by_exact_version() -> None:
    stages = dockerfile_stages()
    bases = {body[0].split()[1] for body in stages.values()} - set(stages)
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", bases.pop())


@pytest.mark.parametrize("stage", FINAL)
def test_the_process_is_not_root_and_stands_behind_an_init(stage: str) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last(stage, "USER"))
    assert json.loads(last(stage, "ENTRYPOINT")) == ["/usr/bin/tini", "--"]
    assert "PYTHONSAFEPATH=1" in words(stage)


@pytest.mark.parametrize("stage", ["api", "worker"])
def test_the_image_checks_its_own_health_with_a_file_that_is_there(stage: str) -> None:
    script = re.search(r"/srv/full-rag/(deploy/\w+\.py)", last(stage, "HEALTHCHECK"))
    assert script
    assert (ROOT / script[1]).is_file()


def test_each_image_starts_its_own_process() -> None:
    assert json.loads(last("api", "CMD")) == ["python", "-m", "app.main"]
    command = json.loads(last("worker", "CMD"))
    assert command == ["sh", "/srv/full-rag/deploy/worker.sh"]
    assert "exec rq worker-pool " in (ROOT / "deploy/worker.sh").read_text(encoding="utf-8")


def test_a_build_without_a_target_makes_the_worker() -> None:
    assert list(dockerfile_stages())[-1] == "worker"


def test_poppler_tesseract_and_rqs_classes_are_where_documents_are_opened() -> None:
    for tool in ("poppler-utils", "tesseract-ocr", "RQ_WORKER_CLASS"):
        assert tool in words("worker")
        assert tool in words("dev")
        assert tool not in words("api")


def test_rq_is_told_our_classes_by_the_environment() -> None:
    environment = dict(re.findall(r"(RQ_\w+)=(\S+)", words("worker")))
    assert environment == {
        "RQ_WORKER_CLASS": "app.queue.workers.FullRagWorker",
        "RQ_QUEUE_CLASS": "app.queue.workers.FullRagQueue",
        "RQ_JOB_CLASS": "app.queue.workers.AllowListJob",
        "RQ_CONNECTION_CLASS": "app.queue.workers.PatientConnection",
    }


def test_packages_come_with_hashes_and_as_wheels() -> None:
    installs = [line for body in dockerfile_stages().values() for line in body if "pip install" in line]
    assert installs
    for line in installs:
        assert "--require-hashes" in line
        assert "--only-binary=:all:" in line


def test_each_installed_debian_package_has_a_comment() -> None:
    comments = " ".join(
        line for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines() if line[:1] == "#"
    )
    for body in dockerfile_stages().values():
        for line in body:
            for packages in re.findall(r"--no-install-recommends ([^&]+)", line):
                for package in packages.split():
                    assert package.startswith("${") or f"{package}:" in comments, package


def test_nothing_but_code_and_requirements_enters_an_image() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert allowed == {"requirements.txt", "requirements-dev.txt", "app", "deploy"}


def test_it_builds_without_buildkit() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for feature in ("# syntax=", "--mount=", "--chmod=", "--link", "<<"):
        assert feature not in text


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not on the PATH")
def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(["hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
