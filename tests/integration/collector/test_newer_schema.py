"""A collector of the version before, and a database that has been migrated past it."""

from __future__ import annotations

import re
from typing import LiteralString

import grpc
import psycopg
import pytest

from collector.errors import CollectorError
from collector.migrate import must_be_migrated
from tests.support.certificates import signing_request
from tests.support.collector import (
    Collector,
    enrol,
    fetch,
    new_incarnation,
    result,
    stream,
)
from tests.support.database import Database
from tests.support.processes import answers, has_ended, running, wait_until
from vantage.v1 import delivery_pb2, enrolment_pb2, enrolment_pb2_grpc

SENTENCE = (
    "Error: The database's schema is newer than this program, which does not know"
    " 9001_post_drop_slowness.sql: upgrade this program."
)


def execute(database: Database, *statements: LiteralString) -> None:
    with psycopg.connect(database.url()) as owner:
        for statement in statements:
            owner.execute(statement)


def test_what_was_added_hinders_nobody_and_what_was_taken_away_does(database: Database) -> None:
    plant: LiteralString = "INSERT INTO vantage.migrations (name, sha256) VALUES ('{}', '')"
    execute(database, plant.format("9000_pre_add_slowness.sql"))
    must_be_migrated(database.url())
    execute(database, plant.format("9001_post_drop_slowness.sql"))
    with pytest.raises(CollectorError, match=r"newer than this program.* 9001_post_drop_slowness"):
        must_be_migrated(database.url())


async def test_a_running_collector_says_so_in_one_sentence_and_loses_nothing(
    collector: Collector, database: Database
) -> None:
    identity, incarnation = await enrol(collector, "a"), new_incarnation()
    async with stream(collector, identity) as link:
        await link.hello(incarnation)
        await link.batch(1, [result(1, 5)])
        assert (await link.read("ack")).high_water == 1
        execute(
            database,
            "INSERT INTO vantage.migrations VALUES ('9001_post_drop_slowness.sql', '')",
            "ALTER TABLE vantage.results RENAME COLUMN target_ip TO gone",
            "ALTER TABLE vantage.monitors RENAME COLUMN slow_us TO gone",
            "NOTIFY vantage_assignments",
        )
        await link.batch(2, [result(1, 4)])
        wait_until(lambda: has_ended(collector.program), what="the collector's end")
    collector.program.start()
    wait_until(lambda: has_ended(collector.program), what="the end of a collector started anew")
    said = collector.program.said()
    assert said.count(SENTENCE) == 2, "once by each"
    assert said.endswith(f"{SENTENCE}\n")
    assert "Traceback" not in said

    execute(
        database,
        "DELETE FROM vantage.migrations WHERE name LIKE '9001%'",
        "ALTER TABLE vantage.results RENAME COLUMN gone TO target_ip",
        "ALTER TABLE vantage.monitors RENAME COLUMN gone TO slow_us",
    )
    with running(collector.program, ready=lambda: answers(collector.port), what="the collector"):
        async with stream(collector, identity) as link:
            assert await link.hello(incarnation) == 1, "what was not stored was not acknowledged"
            await link.batch(2, [result(1, 4)])
            assert (await link.read("ack")).high_water == 2
    assert fetch(database.url(), "SELECT count(*) FROM vantage.results") == [{"count": 2}]


async def test_an_agent_that_cannot_be_served_for_it_costs_a_line_of_the_log(
    collector: Collector, database: Database
) -> None:
    identity = await enrol(collector, "a")
    execute(database, "ALTER TABLE vantage.agents RENAME COLUMN version TO gone")
    async with stream(collector, identity) as link:
        await link.send(hello=delivery_pb2.Hello(incarnation=new_incarnation(), version="test"))
        assert await link.ended() is grpc.StatusCode.UNAVAILABLE
        assert "schema" in await link.call.details()
    assert not has_ended(collector.program)
    said = collector.program.said()
    assert said.count('"event": "schema_unsuitable"') == 1
    assert re.search(r'"reason": "[^}]*version[^}]* does not exist"', said)
    assert "Traceback" not in said


async def test_nobody_becomes_or_stays_an_agent_by_it_and_no_token_is_spent(
    collector: Collector, database: Database
) -> None:
    identity, token = await enrol(collector, "a"), collector.token("a")
    execute(database, "ALTER TABLE vantage.agents RENAME COLUMN certificate_expires_at TO gone")
    with pytest.raises(grpc.aio.AioRpcError) as enrolling:
        await enrol(collector, "a", token)
    async with identity.channel(collector.port) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as renewing:
            await enrolment_pb2_grpc.RenewalStub(channel).Renew(
                enrolment_pb2.RenewRequest(csr=signing_request()[1])
            )
    for refused in (enrolling.value, renewing.value):
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert "schema" in (refused.details() or "")
    said = collector.program.said()
    assert said.count('"event": "schema_unsuitable"') == 2
    assert "Traceback" not in said

    execute(database, "ALTER TABLE vantage.agents RENAME COLUMN gone TO certificate_expires_at")
    assert (await enrol(collector, "a", token)).location == "a"
