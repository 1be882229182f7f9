"""What `vantage up` takes for an agent of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from collector.local_agent import LocalAgent
from tests.support.collector import configure
from tests.support.database import Database

AGENT = """
INSERT INTO vantage.agents (id, name, location, certificate_expires_at)
VALUES (%s, 'agent', 'a', 'infinity')
"""


@pytest.mark.parametrize(
    "identity",
    [None, "{", "[]", "{}", '{"agent_id": null}', '{"agent_id": 7}', '{"agent_id": "somebody"}'],
)
def test_a_home_that_says_nothing_usable_is_no_agents(
    database: Database, tmp_path: Path, identity: str | None
) -> None:
    if identity is not None:
        (tmp_path / "agent.json").write_text(identity)
    assert not LocalAgent("a", tmp_path, database.url(), 1).is_enrolled()


def test_an_identity_is_good_where_the_database_knows_it(
    database: Database, tmp_path: Path
) -> None:
    configure(database.url(), locations=("a", "b"))
    agent_id = uuid4()
    (tmp_path / "agent.json").write_text(json.dumps({"agent_id": str(agent_id)}))
    agent = LocalAgent("a", tmp_path, database.url(), 1)
    assert not agent.is_enrolled()
    with psycopg.connect(database.url()) as connection:
        connection.execute(AGENT, [agent_id])
    assert agent.is_enrolled()
    assert not LocalAgent("b", tmp_path, database.url(), 1).is_enrolled()
