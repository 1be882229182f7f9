"""docs/operations.md lists every metric, and the alert rules name only metrics that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from collector import metrics as collector_metrics

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
RULES = (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text()
REGISTRIES = {"collector": collector_metrics.REGISTRY}


def families(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Every metric of ours as it is documented, and the names of its samples."""
    found = {}
    for family in registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        if family.name.startswith("vantage_"):
            found[name] = {name, *(sample.name for sample in family.samples)}
    return found


@pytest.mark.parametrize("program", REGISTRIES)
def test_every_metric_is_documented_and_no_other(program: str) -> None:
    documented = re.findall(rf"^\| `(vantage_{program}_\w+)`", DOCUMENT, re.MULTILINE)
    assert sorted(documented) == sorted(families(REGISTRIES[program]))


def test_rules_name_metrics_that_exist() -> None:
    existing = {
        name
        for registry in REGISTRIES.values()
        for samples in families(registry).values()
        for name in samples
    }
    named = set(re.findall(r"\bvantage_[a-z_]+", RULES))
    assert len(named) > 4
    assert named <= existing
