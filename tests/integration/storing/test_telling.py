"""What channels are told: decided by the database, from the incidents as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.support.database import Databases

WORLD = """
INSERT INTO vantage.accounts (name) VALUES ('one'), ('two');
INSERT INTO vantage.locations (name, title) VALUES ('fra', 'Frankfurt');
INSERT INTO vantage.monitors (account_id, name, url)
SELECT account, 'm' || n, 'https://a.example/'
FROM (VALUES (1, 1), (2, 1), (3, 2)) AS wanted (n, account)
"""
KEY = "a" * 16


class Telling:
    """One transaction, which is never committed; the clock is turned by moving what happened."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def channel(self, account: int | None = 1, **columns: object) -> int:
        columns = {"name": f"c{columns}{account}", "kind": "mail", **columns}
        names = ", ".join(columns)
        marks = ", ".join(["%s"] * len(columns))
        [(channel_id,)] = self.run(
            f"INSERT INTO vantage.channels (account_id, hint, key_id, sealed, created_at, {names})"
            f" VALUES (%s, 'h', '{KEY}', '', now() - INTERVAL '9 days', {marks}) RETURNING id",
            account,
            *columns.values(),
        )
        return int(channel_id)

    def incident(self, monitor: int = 1, ago: str = "0 s", **columns: object) -> int:
        columns = {"severity": "down", **columns}
        names = "".join(f", {name}" for name in columns)
        marks = ", %s" * len(columns)
        [(incident_id,)] = self.run(
            "INSERT INTO vantage.incidents (account_id, monitor_id, began_at, opened_at, cause,"
            f" summary{names}) SELECT account_id, id, now() - %s::interval, now() - %s::interval,"
            f" 'x', 'It fails.'{marks} FROM vantage.monitors WHERE id = %s RETURNING id",
            ago,
            ago,
            *columns.values(),
            monitor,
        )
        return int(incident_id)

    def change(self, incident: int, what: str) -> None:
        self.run(f"UPDATE vantage.incidents SET {what} WHERE id = %s", incident)

    def look(self, ago: str) -> None:
        self.run("UPDATE vantage.notifying SET looked_at = now() - %s::interval", ago)

    def decide(self) -> list[tuple[int, str]]:
        """What is decided by now and was not before: channel and kind."""
        [(before,)] = self.run("SELECT COALESCE(max(id), 0) FROM vantage.notifications")
        self.run("SELECT vantage.decide_notifications(true)")
        return self.run(
            "SELECT channel_id, kind FROM vantage.notifications WHERE id > %s ORDER BY id", before
        )


@pytest.fixture(scope="module")
def connection(databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    with databases.migrated() as database, psycopg.connect(database.url()) as connection:
        connection.execute(WORLD)
        connection.commit()
        yield connection


@pytest.fixture
def telling(connection: psycopg.Connection[Any]) -> Iterator[Telling]:
    yield Telling(connection)
    connection.rollback()


def test_each_step_is_told_once_to_the_accounts_own_channels(telling: Telling) -> None:
    channel = telling.channel()
    telling.channel(account=2)
    incident = telling.incident()
    assert telling.decide() == [(channel, "opened")]
    assert telling.decide() == []
    telling.change(incident, "acknowledged_at = now(), acknowledged_by = 'ann'")
    assert telling.decide() == [(channel, "acknowledged")]
    telling.change(incident, "recovered_at = now(), closed_at = now()")
    assert telling.decide() == [(channel, "closed")]
    # It is asked every second for a day, which takes no numbers.
    last = telling.run("SELECT last_value FROM vantage.notifications_id_seq")
    assert telling.decide() == []
    assert telling.run("SELECT last_value FROM vantage.notifications_id_seq") == last
    telling.change(incident, "recovered_at = NULL, closed_at = NULL, reopened = 1")
    telling.change(incident, "acknowledged_at = now() - INTERVAL '1 min'")
    assert telling.decide() == [(channel, "opened")]
    assert telling.decide() == []  # who takes care of it was in that
    telling.change(incident, "acknowledged_at = now(), acknowledged_by = 'bob'")
    assert telling.decide() == [(channel, "acknowledged")]
    assert telling.decide() == []


def test_what_got_worse_is_told(telling: Telling) -> None:
    both, worst = telling.channel(), telling.channel(least_severity="down")
    incident = telling.incident(severity="degraded")
    assert telling.decide() == [(both, "opened")]
    telling.change(incident, "severity = 'down'")
    assert sorted(telling.decide()) == [(both, "worsened"), (worst, "opened")]
    assert telling.decide() == []


def test_escalation_waits_and_stops_once_somebody_cares(telling: Telling) -> None:
    telling.channel(delay_s=600)
    incident = telling.incident(ago="599 s")
    assert telling.decide() == []
    telling.change(incident, "opened_at = now() - INTERVAL '601 s'")
    telling.change(incident, "acknowledged_at = now(), acknowledged_by = 'ann'")
    assert telling.decide() == []
    telling.change(incident, "acknowledged_at = NULL, acknowledged_by = NULL")
    assert [kind for _, kind in telling.decide()] == ["opened"]


def test_who_was_not_told_that_it_opened_is_not_told_that_it_closed(telling: Telling) -> None:
    telling.channel(delay_s=600)
    telling.incident(ago="9 min", recovered_at="now", closed_at="now")
    assert telling.decide() == []


@pytest.mark.parametrize(
    ("ago", "delay_s", "columns", "is_told"),
    [
        ("30 min", 0, {}, True),
        ("30 min", 900, {}, True),
        ("30 min", 0, {"reopened": 1}, True),
        ("30 min", 3600, {}, False),  # over before its turn came
        ("90 min", 0, {}, False),  # somebody looked after it had opened: it was muted then, say
        ("90 min", 3600, {}, True),
        ("30 min", 900, {"acknowledged_at": "now", "acknowledged_by": "ann"}, True),
        ("90 min", 3600, {"acknowledged_at": "-infinity", "acknowledged_by": "ann"}, False),
    ],
)
def test_what_was_over_before_anybody_looked_is_told_as_one_thing(
    telling: Telling, ago: str, delay_s: int, columns: dict[str, Any], is_told: bool
) -> None:
    channel = telling.channel(delay_s=delay_s)
    telling.look("1 h")
    telling.incident(ago=ago, recovered_at="now", closed_at="now", **columns)
    assert telling.decide() == [(channel, "closed")] * is_told
    assert telling.decide() == []
    first = "SELECT content -> 'is_first' FROM vantage.notifications"
    assert telling.run(first) == [(True,)] * is_told


def test_what_was_paused_while_it_was_down_is_not_told_to_be_up(telling: Telling) -> None:
    telling.channel()
    paused, well = telling.incident(1, "9 min"), telling.incident(2, "9 min")
    telling.decide()
    for incident, recovered, why in (
        (paused, "0 s", "It is no longer watched."),
        (well, "2 min", None),
    ):
        telling.run(
            "UPDATE vantage.incidents SET recovered_at = now() - %s::interval, closed_at = now()"
            " WHERE id = %s",
            recovered,
            incident,
        )
        telling.run(
            "INSERT INTO vantage.incident_events (incident_id, kind, detail)"
            " VALUES (%s, 'closed', %s)",
            incident,
            why,
        )
    telling.decide()
    assert telling.run(
        "SELECT incident_id, content -> 'is_unwatched' FROM vantage.notifications"
        " WHERE kind = 'closed' ORDER BY 1"
    ) == [(paused, True), (well, None)]


def test_what_was_silenced_or_in_maintenance_meanwhile_is_told_to_nobody(telling: Telling) -> None:
    telling.channel(monitor_ids=[2])
    telling.look("1 h")
    parent = telling.incident(1)
    over = {"recovered_at": "now", "closed_at": "now"}
    child = telling.incident(2, "30 min", silenced_by=parent, **over)
    assert telling.decide() == []
    telling.change(child, "silenced_by = NULL")
    telling.run(
        "INSERT INTO vantage.maintenance (account_id, from_at, to_at)"
        " VALUES (1, now() - INTERVAL '40 min', now() - INTERVAL '20 min')"
    )
    telling.look("1 h")
    assert telling.decide() == []
    telling.look("1 h")
    telling.run("DELETE FROM vantage.maintenance")
    assert [kind for _, kind in telling.decide()] == ["closed"]


def test_reminders_go_on_until_it_is_over_or_acknowledged(telling: Telling) -> None:
    telling.channel(remind_s=900)
    incident = telling.incident()
    telling.decide()
    for ago, kinds in (("14 min", []), ("16 min", ["reminder"]), ("16 min", []),
                       ("50 min", ["reminder"]), ("50 min", [])):  # fmt: skip
        telling.change(incident, f"opened_at = now() - INTERVAL '{ago}'")
        assert [kind for _, kind in telling.decide()] == kinds, ago
    telling.change(incident, "opened_at = now() - INTERVAL '2 h', recovered_at = now()")
    assert telling.decide() == []


def test_nobody_is_told_of_what_a_parent_silences(telling: Telling) -> None:
    telling.channel(monitor_ids=[2])
    parent = telling.incident(1)
    child = telling.incident(2, silenced_by=parent)
    assert telling.decide() == []
    telling.change(child, "silenced_by = NULL")
    assert [kind for _, kind in telling.decide()] == ["opened"]


def test_of_what_is_open_during_maintenance_nobody_is_told(telling: Telling) -> None:
    telling.channel(remind_s=300)
    incident = telling.incident()
    [(_, kind)] = telling.decide()
    telling.change(incident, "opened_at = now() - INTERVAL '6 min'")
    telling.run(
        "INSERT INTO vantage.maintenance (account_id, from_at, to_at)"
        " VALUES (1, now(), now() + INTERVAL '1 h')"
    )
    telling.incident(2)
    assert (kind, telling.decide()) == ("opened", [])
    telling.run("DELETE FROM vantage.maintenance")
    assert sorted(kind for _, kind in telling.decide()) == ["opened", "reminder"]


def test_a_muted_or_new_channel_is_told_nothing_old(telling: Telling) -> None:
    muted = telling.channel(muted_at="now")
    telling.run("UPDATE vantage.channels SET created_at = now() WHERE id = %s", telling.channel())
    telling.incident(ago="1 min")
    assert telling.decide() == []
    telling.run("UPDATE vantage.channels SET muted_at = NULL WHERE id = %s", muted)
    assert telling.decide() == [(muted, "opened")]


@pytest.mark.parametrize(
    ("quiet", "at", "told_at"),
    [
        (("22:00", "07:00"), "2026-11-25 21:59+01", "2026-11-25 21:59+01"),
        (("22:00", "07:00"), "2026-11-25 22:00+01", "2026-11-26 07:00+01"),
        (("22:00", "07:00"), "2026-11-26 06:59+01", "2026-11-26 07:00+01"),
        (("22:00", "07:00"), "2026-11-26 07:00+01", "2026-11-26 07:00+01"),
        (("12:00", "13:30"), "2026-11-26 12:30+01", "2026-11-26 13:30+01"),
        (("12:00", "12:00"), "2026-11-26 12:30+01", "2026-11-26 12:30+01"),
        # The night in which clocks go back has an hour more.
        (("22:00", "07:00"), "2026-10-24 23:00+02", "2026-10-25 07:00+01"),
    ],
)
def test_quiet_hours_are_by_the_channels_clocks(
    telling: Telling, quiet: tuple[str, str], at: str, told_at: str
) -> None:
    channel = telling.channel(quiet_from=quiet[0], quiet_to=quiet[1], time_zone="Europe/Berlin")
    [(is_so,)] = telling.run(
        "SELECT vantage.after_quiet(channels, %s::timestamptz) = %s::timestamptz"
        " FROM vantage.channels WHERE id = %s",
        at,
        told_at,
        channel,
    )
    assert is_so


def test_certificates_are_told_at_four_distances_once_each(telling: Telling) -> None:
    channel = telling.channel()
    telling.channel(delay_s=600)
    telling.run(
        "INSERT INTO vantage.certificates (sha256, der, not_after)"
        " VALUES (sha256('old'), '', now() + INTERVAL '40 days'),"
        " (sha256('new'), '', now() + INTERVAL '90 days')"
    )
    telling.run(
        "INSERT INTO vantage.certificate_sightings"
        " (monitor_id, location, chain, first_seen_at, last_seen_at)"
        " VALUES (1, 'fra', ARRAY[sha256('old')], now(), now())"
    )
    told = []
    for days in (40, 29, 28, 14, 13, 7, 3, 1):
        telling.run(
            "UPDATE vantage.certificates SET not_after = now() + make_interval(days => %s)"
            " WHERE sha256 = sha256('old')",
            days,
        )
        told += [(days, *each) for each in telling.decide()]
    assert told == [(days, channel, "certificate") for days in (29, 14, 7, 1)]
    telling.run(
        "INSERT INTO vantage.certificate_sightings"
        " (monitor_id, location, chain, first_seen_at, last_seen_at)"
        " VALUES (1, 'fra', ARRAY[sha256('new')], now(), now() + INTERVAL '1 s')"
    )
    telling.run("DELETE FROM vantage.notifications")
    assert telling.decide() == []


def test_operators_are_told_of_locations_and_customers_are_not(telling: Telling) -> None:
    telling.channel()
    operators = telling.channel(account=None)
    telling.run(
        "INSERT INTO vantage.location_troubles (location, kind, began_at, detail)"
        " VALUES ('fra', 'silent', now(), 'No agent answers.')"
    )
    assert telling.decide() == [(operators, "trouble")]
    assert telling.decide() == []
    telling.run("UPDATE vantage.location_troubles SET ended_at = now()")
    assert telling.decide() == [(operators, "trouble_over")]
    assert telling.decide() == []


def test_operators_are_told_of_what_was_over_before_anybody_looked(telling: Telling) -> None:
    operators = telling.channel(account=None)
    began = (
        "INSERT INTO vantage.location_troubles (location, kind, began_at, ended_at, detail)"
        " VALUES ('fra', 'silent', now() - %s::interval, now(), 'No agent answers.')"
    )
    telling.look("1 h")
    telling.run(began, "90 min")
    assert telling.decide() == []
    telling.run(began, "30 min")
    telling.look("1 h")
    assert telling.decide() == [(operators, "trouble_over")]


def claim(telling: Telling) -> list[tuple[Any, ...]]:
    return telling.run("SELECT channel_id, kind, batch, lease FROM vantage.claim_notifications(60)")


def test_what_happens_between_two_messages_is_told_in_one(telling: Telling) -> None:
    channel = telling.channel(spacing_s=60)
    telling.incident(1)
    telling.decide()
    [(_, kind, batch, lease)] = claim(telling)
    assert (kind, claim(telling)) == ("opened", [])
    telling.run("SELECT vantage.finish_notifications(%s, %s, NULL)", batch, lease)
    telling.incident(2)
    telling.decide()
    telling.run("UPDATE vantage.incidents SET recovered_at = now(), closed_at = now()")
    telling.decide()
    assert claim(telling) == []
    telling.run("UPDATE vantage.channels SET last_sent_at = now() - INTERVAL '61 s'")
    together = claim(telling)
    assert [row[:2] for row in together] == [
        (channel, "opened"),
        (channel, "closed"),
        (channel, "closed"),
    ]
    assert len({row[2] for row in together}) == 1


def test_a_message_that_was_tried_is_tried_again_as_it_was(telling: Telling) -> None:
    telling.channel()
    telling.incident(1)
    telling.decide()
    [(_, _, batch, lease)] = claim(telling)
    telling.run("SELECT vantage.finish_notifications(%s, %s, 'It failed.')", batch, lease)
    assert claim(telling) == []
    telling.incident(2)
    telling.decide()
    telling.run("UPDATE vantage.notifications SET due_at = now()")
    assert [row[2] for row in claim(telling)] == [batch]
    [(attempts, error)] = telling.run(
        "SELECT attempts, last_error FROM vantage.notifications WHERE batch = %s", batch
    )
    assert (attempts, error) == (1, "It failed.")


def test_it_is_given_up_after_about_a_day(telling: Telling) -> None:
    telling.channel()
    telling.incident(1)
    telling.decide()
    tries, waited = 0, 0.0
    while rows := claim(telling):
        tries += 1
        telling.run("SELECT vantage.finish_notifications(%s, %s, 'No.')", rows[0][2], rows[0][3])
        [(pause,)] = telling.run(
            "SELECT extract(epoch FROM due_at - now())::float FROM vantage.notifications"
        )
        waited += pause
        telling.run("UPDATE vantage.notifications SET due_at = now()")
    assert tries == 33
    assert 20 < waited / 3600 < 30
    [(is_given_up,)] = telling.run("SELECT given_up_at IS NOT NULL FROM vantage.notifications")
    assert is_given_up


def test_a_sender_that_lives_keeps_its_channel_and_no_other(telling: Telling) -> None:
    telling.channel()
    telling.incident(1)
    telling.decide()
    [(_, _, _, lease)] = claim(telling)
    telling.run("UPDATE vantage.channels SET leased_until = now()")
    telling.run("SELECT vantage.hold_channel(gen_random_uuid(), 60)")
    left = "SELECT leased_until - now() = %s::interval FROM vantage.channels"
    assert telling.run(left, "0 s") == [(True,)]
    telling.run("SELECT vantage.hold_channel(%s, 60)", lease)
    assert telling.run(left, "60 s") == [(True,)]
    assert claim(telling) == []


def test_another_sender_takes_over_when_a_lease_ends(telling: Telling) -> None:
    telling.channel()
    telling.incident(1)
    telling.decide()
    [(_, _, batch, lease)] = claim(telling)
    telling.run("UPDATE vantage.channels SET leased_until = now()")
    [(_, _, again, other)] = claim(telling)
    assert (again == batch, other == lease) == (True, False)
    # The first was only slow: what failed for it is no longer its business.
    [(was_ours,)] = telling.run(
        "SELECT vantage.finish_notifications(%s, %s, 'Too slow.')", batch, lease
    )
    assert not was_ours
    [(attempts,)] = telling.run("SELECT attempts FROM vantage.notifications")
    assert attempts == 0
