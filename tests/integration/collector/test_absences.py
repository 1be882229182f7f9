"""Slots missed between an agent's death and the takeover: who was to run them is written down."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from collector import db
from tests.support.collector import configure
from tests.support.database import Database

AGENTS = [UUID(int=number) for number in (1, 2, 3)]
MONITORS = 12
NOBODY: dict[str, list[Any]] = {"lost_ids": [], "lost_for_s": []}
ABSENCES = """
SELECT agent_id, monitor_ids, to_at - from_at AS lasted, now() - to_at AS ago
FROM vantage.absences ORDER BY id
"""


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[DictRow]]:
    configure(database.url(), locations=["a", "b"], monitors=MONITORS)
    url = database.url(role="vantage_collector")
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        for agent_id in AGENTS:
            connection.execute(
                "INSERT INTO vantage.agents (id, name, location, certificate_expires_at)"
                " VALUES (%s, 'agent', 'a', now())",
                [agent_id],
            )
        yield connection


def join(connection: psycopg.Connection[DictRow], *agents: UUID) -> None:
    for agent_id in agents:
        connection.execute("SELECT vantage.join_pool(%s)", [agent_id])


def leave(connection: psycopg.Connection[DictRow], *agents: UUID) -> list[UUID]:
    """Let agents have been silent for a minute, and somebody look, twice."""
    connection.execute(
        "UPDATE vantage.agents SET last_seen_at = now() - INTERVAL '1 minute' WHERE id = ANY(%s)",
        [list(agents)],
    )
    statement = db.queries("delivery")["leave_pools"]
    gone = [row["id"] for row in connection.execute(statement, NOBODY)]
    assert not connection.execute(statement, NOBODY).fetchall()
    return gone


def shares(*agents: UUID) -> dict[UUID, list[int]]:
    """Return which monitors each runs while all of them are there: the smallest hash wins."""
    found: dict[UUID, list[int]] = {agent_id: [] for agent_id in agents}
    for monitor_id in range(1, MONITORS + 1):
        best = min(agents, key=lambda a: hashlib.md5(f"{monitor_id}/{a}".encode()).hexdigest())
        found[best].append(monitor_id)
    return found


def test_what_an_agent_was_to_run_until_others_had_it_is_written_once(
    connection: psycopg.Connection[DictRow],
) -> None:
    join(connection, *AGENTS)
    connection.execute("UPDATE vantage.monitors SET paused_at = now() WHERE id = 5")
    assert leave(connection, AGENTS[0]) == [AGENTS[0]]
    [absence] = connection.execute(ABSENCES).fetchall()
    own = [monitor for monitor in shares(*AGENTS)[AGENTS[0]] if monitor != 5]
    assert (absence["agent_id"], absence["monitor_ids"]) == (AGENTS[0], own)
    assert 59 < absence["lasted"].total_seconds() < 90
    assert leave(connection, AGENTS[1]) == [AGENTS[1]]
    [_, second] = connection.execute(ABSENCES).fetchall()
    left = [monitor for monitor in shares(*AGENTS[1:])[AGENTS[1]] if monitor != 5]
    assert (second["agent_id"], second["monitor_ids"]) == (AGENTS[1], left)


def test_where_nobody_is_left_it_lasts_until_somebody_comes(
    connection: psycopg.Connection[DictRow],
) -> None:
    join(connection, *AGENTS[:2])
    assert sorted(leave(connection, *AGENTS[:2])) == AGENTS[:2]
    absences = connection.execute(ABSENCES).fetchall()
    assert {row["agent_id"]: row["monitor_ids"] for row in absences} == shares(*AGENTS[:2])
    assert [row["lasted"] for row in absences] == [None, None]
    join(connection, AGENTS[2])
    absences = connection.execute(ABSENCES).fetchall()
    assert len(absences) == 2
    assert all(0 <= row["ago"].total_seconds() < 30 for row in absences)


@pytest.mark.parametrize(
    ("heard_for_s", "is_gone"), [(4, True), (3.5, True), (2.5, False), (1.5, False)]
)
def test_where_the_connection_has_ended_less_silence_will_do(
    connection: psycopg.Connection[DictRow], heard_for_s: float, is_gone: bool
) -> None:
    assert (AGENTS[0] in lose(connection, heard_for_s=heard_for_s, lost_for_s=4)) == is_gone


def test_an_agent_that_another_collector_has_heard_since_is_not_lost(
    connection: psycopg.Connection[DictRow],
) -> None:
    # A heartbeat of the new connection is late: that alone is no death.
    assert lose(connection, heard_for_s=5, lost_for_s=9) == []
    assert lose(connection, heard_for_s=12, lost_for_s=9) == [AGENTS[0]]


def lose(
    connection: psycopg.Connection[DictRow], *, heard_for_s: float, lost_for_s: float
) -> list[UUID]:
    """Return who is gone when the first was heard and its connection here ended so long ago."""
    join(connection, *AGENTS)
    with connection.transaction():
        connection.execute(
            "UPDATE vantage.agents SET last_seen_at = now() - make_interval(secs => %s)"
            " WHERE id = %s",
            [heard_for_s, AGENTS[0]],
        )
        lost = {"lost_ids": [AGENTS[0]], "lost_for_s": [float(lost_for_s)]}
        rows = connection.execute(db.queries("delivery")["leave_pools"], lost)
        return [row["id"] for row in rows]
