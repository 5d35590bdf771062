"""The rules for Prometheus: about metrics that the daemon really writes, and with a remedy that there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from rotator.core.agenda import Entry, LastLook, State
from rotator.core.survey import new_state
from rotator.daemon.metrics import Tally, exposition
from rotator.daemon.vitals import STATE, Condition, Pulse, Reach, Vitals
from tests.app.small_world import SmallWorld
from tests.deploy.places import DEPLOY, ROOT
from tests.entry.documents import anchor_of, code_in, headings_of, rows_of, text_of

PROMETHEUS = DEPLOY / "prometheus"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Rule = dict[str, Any]
(GROUP,) = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
RULES: list[Rule] = GROUP["rules"]
OF_PROMETHEUS = {"job", "instance"}

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def written() -> dict[str, dict[str, set[str]]]:
    """Return what a daemon writes of which everything is known: each metric, its labels and their values."""
    world, pulse = SmallWorld(), Pulse(NOW, timedelta(seconds=30))
    pulse.targets["a"] = world.target("a")
    pulse.entries["a"] = Entry(NOW)
    pulse.last["a"] = LastLook(NOW, "resting", until=NOW, secret_created=NOW)
    pulse.reach[STATE] = Reach(Condition.UP, NOW)
    pulse.brake = new_state(NOW)
    pulse.tick_finished(NOW)
    found: dict[str, dict[str, set[str]]] = {}
    for line in "".join(exposition(Vitals(pulse), Tally(notices_waiting={"ops": 0}), {"main": NOW})).splitlines():
        if sample := re.match(r"(rotator_\w+)(?:\{(.*)\})? ", line):
            labels = found.setdefault(sample[1], defaultdict(set))
            for label, value in re.findall(r'(\w+)="([^"]*)"', sample[2] or ""):
                labels[label].add(value)
    return found


def test_what_a_daemon_writes_is_known_here() -> None:
    assert {"rotator_brake", "rotator_targets", "rotator_vault_token_expiry_timestamp_seconds"} <= written().keys()
    assert written()["rotator_targets"]["state"] == {state.value for state in State}


@each_rule
def test_a_rule_asks_for_metrics_labels_and_values_that_there_are(rule: Rule) -> None:
    metrics, expr = written(), rule["expr"]
    asked = set(re.findall(r"\brotator_\w+", expr))

    assert asked
    assert asked <= metrics.keys()
    for metric, selector in re.findall(r"\b(rotator_\w+)\{([^}]*)\}", expr):
        for label, value in re.findall(r'(\w+)="([^"]*)"', selector):
            assert value in metrics[metric][label]
    labels = {label for metric in asked for label in metrics[metric]} | OF_PROMETHEUS
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expr) for label in group.split(",")}
    shown = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert grouped <= labels
    assert shown <= labels
    assert shown <= grouped or " by (" not in expr, "what is not grouped by is gone"


@each_rule
def test_a_rule_waits_a_while_and_says_how_bad_it_is_and_what_to_do(rule: Rule) -> None:
    annotations = rule["annotations"]
    document, _, anchor = annotations["runbook_url"].partition("#")

    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert document == "docs/recovery.md"
    assert anchor in {anchor_of(heading) for heading in headings_of(ROOT / document)}


def test_every_rule_is_explained_and_tried() -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts-test.yaml").read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    names = [rule["alert"] for rule in RULES]

    assert [code_in(row[0])[0] for row in rows_of(text_of(PROMETHEUS / "README.md"))] == names
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == set(names)
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == set(names)


@pytest.mark.parametrize(
    "state", ["blocked", "parked", "stopped by a breaker"], ids=lambda state: state.replace(" ", "-")
)
def test_a_state_that_only_a_person_ends_has_a_rule(state: str) -> None:
    assert [rule["alert"] for rule in RULES if f'state="{state}"' in rule["expr"]]


@needs_promtool
@pytest.mark.parametrize("arguments", [("check", "rules", "alerts.yaml"), ("test", "rules", "alerts-test.yaml")])
def test_prometheus_takes_the_rules_and_they_fire_as_they_should(arguments: tuple[str, ...]) -> None:
    ran = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False, timeout=60
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
