"""Channels in the report centre: sealed for whoever tells, and nobody else's."""

from __future__ import annotations

import re

import pytest

from collector import sealing
from collector.keyring import Keyring
from collector.telling.destination import Destination
from tests.integration.dashboard.conftest import Answer, Visitor
from tests.support.report_centre import Centre

PAGE = "/settings/notifications"
TO = "ann@acme.example"


def send(visitor: Visitor, action: str, **form: str) -> Answer:
    return visitor.ask(f"{PAGE}/{action}", "POST", {"csrf": visitor.form_token(PAGE), **form})


def opened(centre: Centre, keyring: Keyring) -> list[Destination]:
    rows = centre.execute("SELECT account_id, kind, key_id, sealed FROM vantage.channels")
    return [
        Destination.decode(kind, sealing.open_(keyring, sealing.channel(account), key_id, sealed))
        for account, kind, key_id, sealed in rows
    ]


def test_an_address_is_sealed_for_whoever_tells(
    visitor: Visitor, centre: Centre, keyring: Keyring
) -> None:
    monitor_id = centre.monitor("Home page")
    added = send(
        visitor,
        "add",
        address=TO,
        delay="900",
        remind="3600",
        quiet_from="22:00",
        quiet_to="07:00",
        zone="Europe/Berlin",
        severity="down",
        monitor=str(monitor_id),
    )
    assert added.headers["location"] == f"{PAGE}?done=added"
    assert opened(centre, keyring) == [Destination("mail", TO)]
    centre.execute("UPDATE vantage.notifying SET looked_at = now()")
    page = visitor.ask(PAGE).text
    assert "Nobody has been told" not in page
    centre.execute("UPDATE vantage.notifying SET looked_at = now() - INTERVAL '2 min'")
    away = "Nobody has been told of anything since <time [^>]*>[^<]+ UTC</time>: "
    assert re.search(away, visitor.ask(PAGE).text)
    assert "Down only, after 15 min, again every 1 h" in page
    assert "Not from 22:00 to 07:00, Europe/Berlin" in page
    assert "Of Home page" in page


def test_a_webhooks_secret_is_shown_once(
    visitor: Visitor, centre: Centre, keyring: Keyring
) -> None:
    added = send(visitor, "add", address="https://hooks.example/T0/hush", name="Ours")
    found = re.search(r"whsec_[\w-]+", added.text)
    assert found
    [destination] = opened(centre, keyring)
    assert (destination.address, destination.secret) == ("https://hooks.example/T0/hush", found[0])
    page = visitor.ask(PAGE).text
    assert "https://hooks.example" in page
    assert "hush" not in page + added.text
    assert found[0] not in page


def test_a_channel_is_tested_muted_and_removed(
    visitor: Visitor, centre: Centre, keyring: Keyring
) -> None:
    send(visitor, "add", address=TO)
    [(channel_id,)] = centre.execute("SELECT id FROM vantage.channels")
    assert send(visitor, "test", id=str(channel_id)).status == 303
    assert "moment ago" in send(visitor, "test", id=str(channel_id)).text
    assert centre.execute("SELECT kind, content ->> 'asked_by' FROM vantage.notifications") == [
        ("test", "demo@example.com")
    ]
    send(visitor, "mute", id=str(channel_id), mute="yes")
    assert "Muted" in visitor.ask(PAGE).text
    send(visitor, "mute", id=str(channel_id))
    assert centre.execute("SELECT muted_at FROM vantage.channels") == [(None,)]
    assert send(visitor, "remove", id=str(channel_id)).headers["location"].endswith("removed")
    assert centre.execute("SELECT FROM vantage.channels") == []


def test_a_channel_is_changed_and_keeps_its_address_unless_given_another(
    visitor: Visitor, centre: Centre, keyring: Keyring
) -> None:
    send(visitor, "add", address=TO, name="On call", remind="900", severity="down")
    [(channel_id,)] = centre.execute("SELECT id FROM vantage.channels")
    page = f"{PAGE}?change={channel_id}"
    shown = visitor.ask(page).text
    assert "Change On call" in shown
    assert 'value="On call"' in shown
    assert '<option value="900" selected>' in shown
    own = str(channel_id)
    changed = send(visitor, "change", id=own, name="By night", delay="300", zone="Europe/Berlin")
    assert changed.headers["location"] == f"{PAGE}?done=changed"
    assert centre.execute(
        "SELECT name, least_severity, delay_s, remind_s, time_zone FROM vantage.channels"
    ) == [("By night", "degraded", 300, None, "Europe/Berlin")]
    assert opened(centre, keyring) == [Destination("mail", TO)]
    elsewhere = send(visitor, "change", id=own, name="By night", address="https://hooks.example/x")
    assert "whsec_" in elsewhere.text
    assert [each.kind for each in opened(centre, keyring)] == ["webhook"]
    send(visitor, "add", address=TO, name="Another")
    assert "already" in send(visitor, "change", id=own, name="Another").text
    assert "1 to 100 characters" in send(visitor, "change", id=own, name=" ").text
    assert send(visitor, "change", id="999999", name="x").status == 404


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"address": "ann at acme"}, "That is no address"),
        ({"address": "https://user:hush@host/"}, "without a user name"),
        ({"address": TO, "quiet_from": "late", "quiet_to": "07:00"}, "no time of day"),
        ({"address": TO, "quiet_from": "22:00"}, "quiet hours from a time to a time"),
        ({"address": TO, "remind": "5"}, "reminded every 5"),
        ({"address": TO, "zone": "Mars"}, "no time zone"),
    ],
)
def test_what_cannot_be_is_told(
    visitor: Visitor, centre: Centre, keyring: Keyring, form: dict[str, str], sentence: str
) -> None:
    answer = send(visitor, "add", **form)
    assert (answer.status, sentence in answer.text) == (400, True)
    assert "hush" not in answer.text
    assert centre.execute("SELECT FROM vantage.channels") == []


def test_without_anybody_who_tells_it_says_so(visitor: Visitor) -> None:
    assert "starts <code>vantage-collector notify" in visitor.ask(PAGE).text
    assert "Nothing is sent from here yet" in send(visitor, "add", address=TO).text


def test_others_are_kept_out(
    visitor: Visitor, other_visitor: Visitor, centre: Centre, keyring: Keyring
) -> None:
    send(visitor, "add", address=TO)
    [(channel_id,)] = centre.execute("SELECT id FROM vantage.channels")
    assert TO not in other_visitor.ask(PAGE).text
    for action in ("test", "mute", "change", "remove"):
        assert send(other_visitor, action, id=str(channel_id), name="x").status == 404
    own = str(centre.monitor("Home page"))
    assert send(other_visitor, "add", address=TO, monitor=own).status == 404


def test_a_channel_is_told_in_own_words(visitor: Visitor, centre: Centre, keyring: Keyring) -> None:
    send(visitor, "add", address=TO, zone="UTC")
    [(channel_id,)] = centre.execute("SELECT id FROM vantage.channels")
    words = {"id": str(channel_id), "subject": "[{monitor}] {state}", "text": "{{{cause}}}\r\n<b>"}
    seen = send(visitor, f"word?change={channel_id}", **words, preview="yes").text
    assert "[Shop] Down\n\n{connect_timeout}\n&lt;b&gt;" in seen
    assert centre.execute("SELECT own_subject FROM vantage.channels") == [(None,)]
    refused = send(visitor, f"word?change={channel_id}", **words | {"text": "{colour}"})
    assert refused.status == 400
    assert "There is no field {colour}. There are {headline}, {event}" in refused.text
    assert "[{monitor}] {state}" in refused.text  # and nothing typed is lost
    saved = send(visitor, "word", **words)
    assert saved.headers["location"] == f"{PAGE}?done=worded"
    assert centre.execute("SELECT own_subject, own_text FROM vantage.channels") == [
        ("[{monitor}] {state}", "{{{cause}}}\n<b>")
    ]
    page = visitor.ask(f"{PAGE}?change={channel_id}").text
    assert 'value="[{monitor}] {state}"' in page
    assert "In its own words" in visitor.ask(PAGE).text
    send(visitor, "test", id=str(channel_id))
    [(content,)] = centre.execute("SELECT content FROM vantage.notifications WHERE kind = 'test'")
    assert content["sample"]["monitor"] == "Shop"
    send(visitor, "word", id=str(channel_id))
    assert centre.execute("SELECT own_subject, own_text FROM vantage.channels") == [(None, None)]


def test_a_webhook_has_no_words_of_its_own(
    visitor: Visitor, centre: Centre, keyring: Keyring
) -> None:
    send(visitor, "add", address="https://hooks.example/T0/hush")
    [(channel_id,)] = centre.execute("SELECT id FROM vantage.channels")
    assert "words-title" not in visitor.ask(f"{PAGE}?change={channel_id}").text
    refused = send(visitor, "word", id=str(channel_id), text="{summary}")
    assert "A webhook is told in JSON" in refused.text
