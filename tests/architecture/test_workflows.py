"""The laws of the workflows: pinned actions, few rights, the same tests as on a desk."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.containers import ROOT

FILES = sorted((ROOT / ".github/workflows").glob("*.y*ml"))
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")


def workflow(path: Path) -> dict[Any, Any]:
    parsed = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(parsed, dict)
    return parsed


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in workflow(path)["jobs"].values():
        yield from job["steps"]


def triggers(name: str) -> Any:
    return workflow(ROOT / ".github/workflows" / name)[True]  # YAML 1.1 reads the key `on` as true


def test_the_three_workflows_are_there() -> None:
    assert [path.name for path in FILES] == ["ci.yaml", "images.yaml", "security.yaml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit_and_says_its_version(path: Path) -> None:
    for step in steps(path):
        if "uses" in step:
            assert PINNED.match(step["uses"]), step["uses"]
    for line in path.read_text(encoding="utf-8").splitlines():
        if "uses:" in line:
            assert re.search(r" # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_job_may_read_the_code_and_ends_by_itself(path: Path) -> None:
    assert workflow(path)["permissions"] == {"contents": "read"}
    for name, job in workflow(path)["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        extra = {right: how for right, how in job.get("permissions", {}).items() if how == "write"}
        assert extra == ({"packages": "write"} if name == "publish" else {}), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_a_job_installs_and_runs_has_a_version(path: Path) -> None:
    for step in steps(path):
        for package in re.findall(r"pip\"? install --quiet (\S+)", step.get("run", "")):
            assert re.fullmatch(r"[\w-]+==[\d.]+", package), package
        for image in (value for value in step.get("env", {}).values() if "/" in str(value)):
            assert re.search(r":v[\d.]+@sha256:[0-9a-f]{64}$", image), image


def test_pushes_and_pull_requests_run_what_a_developer_runs() -> None:
    assert set(triggers("ci.yaml")) == {"push", "pull_request"}
    assert any(step.get("run") == "bash .ci/run" for step in steps(ROOT / ".github/workflows/ci.yaml"))


def test_images_are_published_for_tags_after_the_tests_with_their_bill_of_materials() -> None:
    path = ROOT / ".github/workflows/images.yaml"
    assert triggers("images.yaml") == {"push": {"tags": ["v*"]}}
    publish = workflow(path)["jobs"]["publish"]
    assert publish["needs"] == "test"
    assert publish["strategy"]["matrix"]["target"] == ["api", "worker"]
    build = publish["steps"][-1]["with"]
    assert (build["sbom"], build["provenance"], build["push"]) == (True, "mode=max", True)


@pytest.mark.parametrize("tool", ["pip-audit", "bandit", "gitleaks"])
def test_the_security_workflow_runs(tool: str) -> None:
    runs = [str(step) for step in steps(ROOT / ".github/workflows/security.yaml")]
    assert any(tool in run for run in runs)
    assert "schedule" in triggers("security.yaml")
