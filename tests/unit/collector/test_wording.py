"""What people are told, word by word."""

from __future__ import annotations

from typing import Any

import pytest

from collector.telling.own_words import OwnWords, worded
from collector.telling.wording import message

INCIDENT = {
    "incident_id": 12,
    "monitor_id": 3,
    "monitor": "Shop <b>",
    "url": "https://shop.example/",
    "severity": "down",
    "cause": "connect_timeout",
    "summary": "TCP connect timed out from 2 of 5 locations (Frankfurt and Singapore).",
    "began_at": "2026-11-25T13:32:00+00:00",
    "failing_since_at": "2026-11-25T13:32:00+00:00",
    "opened_at": "2026-11-25T13:32:08+00:00",
    "recovered_at": "2026-11-25T14:02:00+00:00",
    "closed_at": None,
    "acknowledged_by": "ann@acme.example",
    "reopened": 0,
}
AGAIN = {**INCIDENT, "reopened": 1, "failing_since_at": "2026-11-25T14:10:00+00:00"}
CERTIFICATE = {
    "monitor_id": 3,
    "monitor": "Shop",
    "url": "https://shop.example/",
    "subject": "CN=shop.example",
    "issuer": "CN=Some CA",
    "expires_at": "2026-12-02T13:00:00+00:00",
    "days": 7,
}
TROUBLE = {
    "location": "sin",
    "title": "Singapore",
    "kind": "silent",
    "summary": "No agent there has answered for a minute.",
    "began_at": "2026-11-25T13:32:00+00:00",
    "ended_at": "2026-11-25T13:40:00+00:00",
}


def told(
    *rows: tuple[str, dict[str, Any]],
    zone: str = "Europe/Berlin",
    subject: str | None = None,
    text: str | None = None,
) -> Any:
    return message(
        [{"kind": kind, "content": content} for kind, content in rows],
        time_zone=zone,
        public_url="https://v.example",
        channel="Ops & friends",
        words=OwnWords(subject, text),
    )


@pytest.mark.parametrize(
    ("kind", "facts", "subject", "line"),
    [
        ("opened", INCIDENT, "Down: Shop <b>", "Began 25 Nov 2026, 14:32 CET."),
        (
            "opened",
            AGAIN,
            "Down again: Shop <b>",
            "Began 25 Nov 2026, 14:32 CET. Failing again since 25 Nov 2026, 15:10 CET.",
        ),
        (
            "opened",
            {**INCIDENT, "severity": "degraded", "cause": "too_slow"},
            "Slow: Shop <b>",
            "https://v.example/incidents/12",
        ),
        (
            "opened",
            {**INCIDENT, "severity": "degraded", "cause": "resource_failed"},
            "Degraded: Shop <b>",
            "https://v.example/incidents/12",
        ),
        ("worsened", INCIDENT, "Now down: Shop <b>", "TCP connect timed out"),
        ("reminder", INCIDENT, "Still down: Shop <b>", "ann@acme.example takes care of it."),
        ("acknowledged", INCIDENT, "Acknowledged: Shop <b> is down", "ann@acme.example takes care"),
        ("closed", INCIDENT, "Up again: Shop <b>", "15:02 CET: 30 min."),
        (
            "closed",
            {**INCIDENT, "is_first": True},
            "Was down: Shop <b>",
            "15:02 CET: 30 min.\nIt was over before anybody could be told",
        ),
        (
            "closed",
            {**INCIDENT, "is_unwatched": True},
            "No longer watched: Shop <b>",
            "15:02 CET: 30 min.\nIt was down until it was paused or removed.",
        ),
        (
            "trouble_over",
            {**TROUBLE, "is_first": True},
            "Location Singapore was silent",
            "no notifier was running",
        ),
        ("certificate", CERTIFICATE, "Certificate expires within 7 days: Shop", "CN=shop.example"),
        ("trouble", TROUBLE, "Location Singapore is silent", "no vote meanwhile"),
        ("trouble_over", TROUBLE, "Location Singapore is well again", "14:40 CET: 8 min."),
        (
            "test",
            {"asked_by": "ann@acme.example"},
            "Test of this channel",
            "ann@acme.example asked",
        ),
    ],
)
def test_each_step_has_its_words(kind: str, facts: dict[str, Any], subject: str, line: str) -> None:
    written = told((kind, facts))
    assert written.subject == subject
    assert line in written.text
    assert "“Ops & friends”" in written.text


@pytest.mark.parametrize("kind", ["opened", "reminder", "worsened", "acknowledged", "closed"])
def test_when_it_began_is_said_once_and_by_the_channels_clocks(kind: str) -> None:
    written = told((kind, INCIDENT))
    assert "from 2 of 5 locations (Frankfurt and Singapore).\n" in written.text
    assert written.text.count("25 Nov 2026, 14:32 CET") == 1
    assert "13:32" not in written.text


def test_html_says_the_same_and_nothing_of_it_is_markup() -> None:
    written = told(("opened", INCIDENT))
    assert "Down: Shop &lt;b&gt;" in written.html
    assert "Ops &amp; friends" in written.html
    assert "#c62a2f" in written.html


def test_of_an_incident_only_where_it_stands_is_told() -> None:
    written = told(("opened", INCIDENT), ("worsened", INCIDENT), ("closed", INCIDENT))
    assert written.subject == "Up again: Shop <b>"
    assert "Down:" not in written.text


def test_of_a_location_only_how_it_stands_is_told() -> None:
    other = {**TROUBLE, "kind": "failing", "summary": "Most failed there and nowhere else."}
    written = told(("trouble", TROUBLE), ("trouble", other), ("trouble_over", TROUBLE))
    assert written.subject == "1 down, 1 well again"
    assert "Location Singapore is silent" not in written.text
    assert "No agent there has answered" not in written.text
    assert "Location Singapore is well again\nIt was silent.\nFrom 25 Nov" in written.text
    assert "Location Singapore is failing by itself" in written.text


def test_several_things_are_told_in_one_message() -> None:
    other = {**INCIDENT, "incident_id": 13, "monitor": "Blog"}
    third = {**INCIDENT, "incident_id": 14, "monitor": "Docs"}
    written = told(
        ("opened", INCIDENT), ("closed", other), ("opened", third), ("certificate", CERTIFICATE)
    )
    assert written.subject == "2 down, 1 to look at, 1 well again"
    assert written.text.index("Shop") < written.text.index("Blog") < written.text.index("Docs")
    unwatched = {"is_unwatched": True}
    written = told(("closed", {**INCIDENT, **unwatched}), ("closed", {**other, **unwatched}))
    assert written.subject == "2 no longer watched"


def test_an_account_has_its_own_words() -> None:
    seen = told(
        ("closed", INCIDENT),
        subject="[{monitor}] {state}",
        text="{summary} {{took {lasted}}}\nRunbook: https://wiki/{cause} {nothing}",
    )
    assert seen.subject == "[Shop <b>] Up"
    assert seen.text.startswith(
        "[Shop <b>] Up\nTCP connect timed out from 2 of 5 locations (Frankfurt and Singapore). "
        "Since 25 Nov 2026, 14:32 CET. {took 30 min}\nRunbook: https://wiki/connect_timeout \n\n"
    )
    assert "[Shop &lt;b&gt;] Up" in seen.html
    assert "Again since 25 Nov 2026, 15:10 CET." in told(("opened", AGAIN), text="{summary}").text
    assert "incidents/12" not in seen.text  # its text is all that is said
    for cause, state in (("slower_than_usual", "Slow"), ("assertion_loss", "Degraded")):
        facts = {**INCIDENT, "severity": "degraded", "cause": cause}
        assert told(("opened", facts), subject="{state}").subject == state


def test_own_words_of_several_things_are_told_together_under_their_count() -> None:
    seen = told(("opened", INCIDENT), ("certificate", CERTIFICATE), text="{event}: {monitor}")
    assert seen.subject == "1 down, 1 to look at"
    assert "Down: Shop <b>\nopened: Shop <b>\n" in seen.text
    assert "certificate: Shop\n" in seen.text


def test_a_test_shows_the_own_words_with_a_sample() -> None:
    sample = {"sample": {"headline": "Down: Shop", "monitor": "Shop"}}
    seen = told(("test", sample), text="It is {monitor}.")
    assert (seen.subject, "It is Shop." in seen.text) == ("Test: Down: Shop", True)
    assert told(("test", sample), subject="{monitor}!").subject == "Test: Shop!"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{a} {b}", "1 "),
        ("{{a}}", "{a}"),
        ("{{{a}}}", "{1}"),
        ("{{{{", "{{"),
        ("{a.__class__} {A}", "{a.__class__} {A}"),
        ("%s {a!r}", "%s {a!r}"),
    ],
)
def test_a_template_is_filled_in_and_runs_nothing(template: str, text: str) -> None:
    assert worded(template, {"a": "1"}) == text
