"""The rules, the dashboard and the operator's page belong together, and Prometheus understands them."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.support.monitoring import (
    CONFIG,
    DASHBOARD,
    ROOT,
    RULES,
    RULES_TEST,
    alerts,
    needs_promtool,
    promtool,
    queries,
)

PAGE = ROOT / "docs/operations.md"


@needs_promtool
def test_prometheus_accepts_configuration_and_rules() -> None:
    promtool("check", "config", CONFIG)
    promtool("check", "rules", RULES)


@needs_promtool
def test_alerts_are_raised_and_stay_quiet_as_their_stories_say() -> None:
    promtool("test", "rules", RULES_TEST)


@needs_promtool
def test_every_query_of_the_dashboard_parses(tmp_path: Path) -> None:
    as_rules = [{"record": f"panel_{n}", "expr": one} for n, one in enumerate(queries().values())]
    groups = {"groups": [{"name": "dashboard", "rules": as_rules}]}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(groups), encoding="utf-8")
    assert f"SUCCESS: {len(as_rules)} rules found" in promtool("check", "rules", tmp_path / "rules.yml")


def test_every_alert_has_a_story_that_raises_it_and_one_that_does_not() -> None:
    stories = yaml.safe_load(RULES_TEST.read_text(encoding="utf-8"))["tests"]
    told = {(one["alertname"], bool(one["exp_alerts"])) for s in stories for one in s["alert_rule_test"]}
    assert told == {(name, raised) for name in alerts() for raised in (True, False)}


@pytest.mark.parametrize("name", sorted(alerts()))
def test_every_alert_leads_to_what_to_do(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in ("warning", "critical")
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert ROOT / page == PAGE
    headings = re.findall(r"^#+ (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}


def test_dashboard_asks_the_source_that_is_provisioned() -> None:
    folder = DASHBOARD.parents[1] / "provisioning/datasources"
    (source,) = yaml.safe_load((folder / "prometheus.yaml").read_text(encoding="utf-8"))["datasources"]
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    asked = {panel["datasource"]["uid"] for panel in panels if "targets" in panel}
    assert asked == {source["uid"]}
    assert len({panel["id"] for panel in panels}) == len(panels)
