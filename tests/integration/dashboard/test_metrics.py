"""What a Prometheus with a token is told of the account's monitors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.dashboard.conftest import Visitor
from tests.integration.dashboard.test_api import make_token
from tests.support import seed
from tests.support.report_centre import Centre

DOCUMENT = Path(__file__).parents[3] / "docs" / "api.md"
Samples = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture(autouse=True)
def tokens(centre: Centre) -> Iterator[None]:
    """Of people who do not run the installation: those are told more."""
    was = centre.execute("SELECT id FROM vantage.users WHERE is_operator")
    centre.execute("UPDATE vantage.users SET is_operator = false")
    make_token(centre, "mine", "{read}")
    make_token(centre, "theirs", "{read}", seed.OTHER_EMAIL)
    make_token(centre, "runner", "{run}")
    yield
    centre.execute("DELETE FROM vantage.api_tokens")
    centre.execute("UPDATE vantage.users SET is_operator = id = ANY(%(ids)s)",
                   ids=[number for (number,) in was])  # fmt: skip


def scraped(centre: Centre, token: str) -> Samples:
    """Every sample by its metric and by its labels' values, the monitor's id and URL excepted."""
    answer = Visitor(centre).ask("/metrics", Authorization=f"Bearer {token}", Accept="*/*")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found: Samples = {}
    for family in text_string_to_metric_families(answer.text):
        of = found.setdefault(family.name, {})
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("monitor_id")
            assert labels.pop("url")
            of[labels.pop("monitor"), *labels.values()] = sample.value
    return found


def test_what_is_told_is_what_stands_in_the_database(centre: Centre) -> None:
    centre.new_result("Home page", "fra", 52_000)
    found = scraped(centre, "mine")
    assert found["vantage_monitor_up"]["Home page", "fra"] == 1
    assert found["vantage_monitor_up"]["Checkout · cart page", "sin"] == 0
    assert found["vantage_monitor_total_seconds"]["Home page", "fra"] == 0.052
    phases = found["vantage_monitor_phase_seconds"]
    assert {phase: us for (name, place, phase), us in phases.items()
            if (name, place) == ("Home page", "fra")} == {
        "dns": 0.001, "connect": 0.002, "send": 0.0001, "wait": 0.0479, "receive": 0.001
    }  # fmt: skip
    assert ("Checkout · cart page", "sin", "wait") not in phases
    verdicts = found["vantage_monitor_verdict"]
    assert [verdicts["Home page", state] for state in ("up", "degraded", "down", "unknown")] == [
        1, 0, 0, 0
    ]  # fmt: skip
    [(due,)] = centre.execute(
        "SELECT extract(epoch FROM max(slot_at)) FROM vantage.results"
        " WHERE location = 'fra' AND monitor_id = %(id)s",
        id=centre.monitor("Home page"),
    )
    newest = found["vantage_monitor_result_timestamp_seconds"]["Home page", "fra"]
    assert newest == pytest.approx(float(due))
    assert ("Product pictures", "fra") in found[
        "vantage_monitor_certificate_expiry_timestamp_seconds"
    ]


def test_every_account_is_told_of_its_own(centre: Centre) -> None:
    mine, theirs = (
        {labels[0] for samples in scraped(centre, token).values() for labels in samples}
        for token in ("mine", "theirs")
    )
    assert theirs == {"Not yours"}
    assert mine
    assert mine.isdisjoint(theirs)


def test_what_is_paused_has_no_state(centre: Centre) -> None:
    pause = "UPDATE vantage.monitors SET paused_at = {} WHERE name = 'Sign-in API'"
    centre.execute(pause.format("now()"))
    found = scraped(centre, "mine")
    centre.execute(pause.format("NULL"))
    told = {name for name, samples in found.items() for labels in samples
            if labels[0] == "Sign-in API"}  # fmt: skip
    assert told == {
        "vantage_monitor_result_timestamp_seconds",
        "vantage_monitor_certificate_expiry_timestamp_seconds",
    }


def test_nobody_else_is_told_anything(centre: Centre) -> None:
    for token, status in (("unknown", 401), ("runner", 403)):
        answer = Visitor(centre).ask("/metrics", Authorization=f"Bearer {token}", Accept="*/*")
        assert answer.status == status
        assert "vantage_monitor" not in answer.text
    assert Visitor(centre).ask("/metrics", Accept="*/*").status in (303, 401)


def test_every_metric_is_documented_and_no_other(centre: Centre) -> None:
    documented = re.findall(r"^\| `(vantage_\w+)`", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(scraped(centre, "mine"))


def test_who_runs_the_installation_is_told_of_its_outbox(centre: Centre) -> None:
    def told() -> dict[str, float]:
        answer = Visitor(centre).ask("/metrics", Authorization="Bearer mine", Accept="*/*")
        return {
            "".join([sample.name, *sample.labels.values()]): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name.startswith("vantage_dashboard_") and not sample.name.endswith("created")
        }

    assert told() == {}
    operator = "UPDATE vantage.users SET is_operator = true WHERE email = %(email)s"
    centre.execute(operator, email=seed.EMAIL)
    assert told() == {
        "vantage_dashboard_mails_totalsent": 0,
        "vantage_dashboard_mails_totalfailed": 0,
        "vantage_dashboard_mails_waiting": 0,
        "vantage_dashboard_mails_oldest_seconds": 0,
    }
    centre.execute(
        "INSERT INTO vantage.mails (account_id, user_id, step, kind, content, created_at)"
        " SELECT account_id, id, 'test', 'expired', '{}', now() - INTERVAL '1 hour'"
        " FROM vantage.users WHERE email = %(email)s",
        email=seed.OTHER_EMAIL,
    )
    found = told()
    centre.execute("DELETE FROM vantage.mails")
    assert found["vantage_dashboard_mails_waiting"] == 1
    assert found["vantage_dashboard_mails_oldest_seconds"] == pytest.approx(3600, abs=60)
