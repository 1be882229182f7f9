"""docs/metrics.md lists every metric, and the alert rules name only metrics that exist."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

from agent.delivery import Delivery
from agent.home import Home, Identity
from agent.metrics import Metrics
from agent.spool import Spool
from collector import metrics as collector_metrics
from dashboard.metrics import Queue
from dashboard.rows.metrics import Queued

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text()
RULES = (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text()


def agent_registry() -> CollectorRegistry:
    """An agent's, with everything there is to tell."""
    with tempfile.TemporaryDirectory() as directory:
        home = Home(Path(directory))
        home.begin_key(b"")
        home.store_identity(Identity("", "", "", 0, 0), certificate=b"", authority=b"")
        spool = Spool(home.claim_spool(""))
        delivery = Delivery(
            home,
            spool,
            collector="",
            version="",
            on_assignments=lambda _: None,
            on_run_now=lambda _: None,
        )
        metrics = Metrics(home, spool, delivery, lambda: None)
        registry = CollectorRegistry()
        for metric in list(metrics.registry.collect()):
            registry.register(Fixed(metric))
    for name in ("clock_offset_seconds", "clock_uncertainty_seconds"):
        registry.register(Fixed(GaugeMetricFamily(f"vantage_agent_{name}", "", value=0)))
    return registry


def dashboard_registry() -> CollectorRegistry:
    """A report centre's own, as who runs it is told; what customers are told is in docs/api.md."""
    registry = CollectorRegistry()
    registry.register(Queue(Queued(waiting=0, oldest_at=None)))
    return registry


class Fixed:
    """A metric as it stood."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self.metric


REGISTRIES = {
    "collector": collector_metrics.REGISTRY,
    "agent": agent_registry(),
    "dashboard": dashboard_registry(),
}


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


def test_rules_compare_what_has_the_same_labels() -> None:
    """A rate has its target's job and instance: beside a sum by fewer nothing would ever match."""
    rules = [rule for group in yaml.safe_load(RULES)["groups"] for rule in group["rules"]]
    summed = {rule["alert"] for rule in rules if re.search(r"\bby \(", rule["expr"])}
    assert summed == {"VantageCommitsSlow"}  # compared with a number
