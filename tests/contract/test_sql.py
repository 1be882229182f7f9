"""The schema as others rely on it: commented, repeatable, and closed where it must be.

Real roles try real statements: what a grant list promises is not what is tested here.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from collector.db import SQL
from collector.migrate import Script, migrate
from tests.support.database import Database

OURS = "('vantage', 'report')"

UNCOMMENTED = f"""
SELECT 'schema ' || nspname FROM pg_namespace
WHERE nspname IN {OURS} AND obj_description(oid, 'pg_namespace') IS NULL
UNION ALL
SELECT 'relation ' || oid::regclass FROM pg_class
WHERE relnamespace::regnamespace::text IN {OURS} AND relkind IN ('r', 'p', 'v', 'm', 'f')
    AND obj_description(oid, 'pg_class') IS NULL
UNION ALL
SELECT 'column ' || attrelid::regclass || '.' || attname
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace::regnamespace::text IN {OURS} AND relkind IN ('r', 'p', 'v')
    AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL
UNION ALL
SELECT 'function ' || oid::regprocedure FROM pg_proc
WHERE pronamespace::regnamespace::text IN {OURS} AND obj_description(oid, 'pg_proc') IS NULL
UNION ALL
SELECT 'type ' || pg_type.oid::regtype FROM pg_type
LEFT JOIN pg_class ON pg_class.oid = typrelid
WHERE typnamespace::regnamespace::text IN {OURS} AND typelem = 0
    AND (typtype IN ('e', 'd', 'r') OR relkind = 'c')
    AND obj_description(pg_type.oid, 'pg_type') IS NULL
"""

TWO_TENANTS = """
INSERT INTO vantage.locations (name, title) VALUES ('fra', 'Frankfurt');
INSERT INTO vantage.accounts (name) VALUES ('one'), ('two');
INSERT INTO vantage.users (account_id, email, name, password_hash)
SELECT id, name || '@example.org', name, '$argon2id$' || name FROM vantage.accounts;
INSERT INTO vantage.monitors (account_id, name, url)
SELECT id, name, 'http://' || name || '.example/' FROM vantage.accounts;
INSERT INTO vantage.monitor_locations (monitor_id, location) SELECT id, 'fra' FROM vantage.monitors;
INSERT INTO vantage.sessions (token_hash, user_id, expires_at)
SELECT sha256(name::bytea), id, now() + INTERVAL '1 h' FROM vantage.users;
INSERT INTO vantage.api_tokens (user_id, name, token_hash, hint, scopes)
SELECT id, name, sha256(name::bytea), 'vantage_', '{read}' FROM vantage.users;
INSERT INTO vantage.links (token_hash, purpose, email, account_id, user_id, role, expires_at)
SELECT sha256(name::bytea), 'invite', 'x@example.org', account_id, id, 'viewer',
    now() + INTERVAL '1 h'
FROM vantage.users;
INSERT INTO vantage.status_pages (account_id, slug, title)
SELECT id, name, name FROM vantage.accounts;
INSERT INTO vantage.alert_rules (account_id) SELECT id FROM vantage.accounts;
INSERT INTO vantage.monitor_dependencies (monitor_id, parent_id) VALUES (1, 2), (2, 1);
INSERT INTO vantage.verdicts (monitor_id, state, since_at, judged_at, voting, needed, failing, slow)
SELECT id, 'down', now(), now(), 1, 1, '{fra}', '{}' FROM vantage.monitors;
INSERT INTO vantage.baselines (hour_at, monitor_id, location, phase, weeks, results)
SELECT now(), id, 'fra', 'total', 1, 1 FROM vantage.monitors;
INSERT INTO vantage.incidents
    (account_id, monitor_id, severity, began_at, opened_at, cause, summary)
SELECT account_id, id, 'down', now(), now(), 'other', name FROM vantage.monitors;
INSERT INTO vantage.incident_evidence (incident_id, location, which, slot_at, total_us)
SELECT id, 'fra', 'first', now(), 0 FROM vantage.incidents;
INSERT INTO vantage.incident_events (incident_id, kind) SELECT id, 'opened' FROM vantage.incidents;
INSERT INTO vantage.location_troubles (location, kind, began_at, detail)
VALUES ('fra', 'silent', now(), 'None of its agents answers.');
INSERT INTO vantage.reports (account_id, month, parameters, revision, content)
SELECT id, '2026-01-01', '{}', 1, '[]' FROM vantage.accounts;
INSERT INTO vantage.sealing_keys (key_id, public_key) VALUES (repeat('a', 16), sha256(''));
INSERT INTO vantage.secrets (monitor_id, name, key_id, sealed)
SELECT id, 'X-Key', repeat('a', 16), '' FROM vantage.monitors;
INSERT INTO vantage.channels (account_id, name, kind, hint, key_id, sealed)
SELECT id, name, 'mail', 'x@example.org', repeat('a', 16), '' FROM vantage.accounts;
INSERT INTO vantage.notifications (channel_id, step, kind, content)
SELECT id, 'test', 'test', '{}' FROM vantage.channels;
INSERT INTO vantage.mails (account_id, user_id, step, kind, content)
SELECT account_id, id, 'news', 'product', '{}' FROM vantage.users;
INSERT INTO vantage.report_schedules
    (account_id, name, period, day, at, time_zone, objective, share)
SELECT id, name, 'week', 1, '08:00', 'UTC', 99.9, 95 FROM vantage.accounts;
INSERT INTO vantage.maintenance (account_id, from_at, to_at)
SELECT id, now(), now() + INTERVAL '1 h' FROM vantage.accounts;
INSERT INTO vantage.maintenance_rules (account_id, first_at, time_zone, duration_s, rule)
SELECT id, now(), 'UTC', 60, 'FREQ=DAILY' FROM vantage.accounts;
INSERT INTO vantage.audit_log (account_id, user_id, actor, action)
SELECT account_id, id, email, 'signed_in' FROM vantage.users;
INSERT INTO vantage.subscriptions (account_id, subscription_id, customer_id, status)
SELECT id, name, name, 'active' FROM vantage.accounts;
INSERT INTO vantage.plans (name, title, stripe_price) VALUES ('paid', 'Paid', 'price_1');
UPDATE vantage.users SET is_operator = true WHERE id = 1;
INSERT INTO vantage.agents (id, location, name, certificate_expires_at)
VALUES (md5('agent')::uuid, 'fra', 'fra-1', now());
"""

# What is nobody's own.
ALL_SEE = (
    "report.locations",
    "report.sealing_keys",
    "report.offers",
    "report.notifying",
    "report.notification_fields",
)

RESULT = """
INSERT INTO vantage.results (slot_at, started_at, received_at, body_bytes, monitor_id, total_us,
    redirect_us, delay_us, lag_us, header_bytes, target_port, outcome, agent_id, redirects, suspect,
    location)
SELECT now(), now(), now(), 0, id, 0, 0, 0, 0, 0, 80, 'up', %s, 0, false, 'fra'
FROM vantage.monitors
"""
EXCHANGE = """
INSERT INTO vantage.exchanges (slot_at, body_bytes, monitor_id, total_us, header_bytes, target_port,
    hop, location, url)
SELECT now(), 0, id, 0, 0, 80, 1, 'fra', url FROM vantage.monitors
"""
CERTIFICATES = """
INSERT INTO vantage.certificates (sha256, der) VALUES (decode(repeat('ab', 32), 'hex'), '');
INSERT INTO vantage.certificate_sightings (monitor_id, location, chain, first_seen_at, last_seen_at)
SELECT id, 'fra', ARRAY(SELECT sha256 FROM vantage.certificates), now(), now() FROM vantage.monitors
"""

GAP = """
INSERT INTO vantage.gaps (from_slot_at, to_slot_at, monitor_id, slots, agent_id, location, reason)
SELECT now(), now(), id, 1, md5('agent')::uuid, 'fra', 'overloaded' FROM vantage.monitors
"""

INGESTED = """
INSERT INTO vantage.ingested (from_slot_at, to_slot_at, agent_id, results, location)
SELECT min(slot_at), max(slot_at), agent_id, count(*), location
FROM vantage.results GROUP BY agent_id, location;
UPDATE vantage.rollup_progress SET hours_to_at = now() + INTERVAL '1 day';
SELECT vantage.roll_up()
"""


def rows(url: str, statement: str, account: int | None = None) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        if account is not None:
            # The first person of an account has its number.
            for name in ("vantage.account_id", "vantage.user_id"):
                connection.execute("SELECT set_config(%s, %s, true)", [name, str(account)])
        return connection.execute(statement.encode()).fetchall()


def names(url: str, statement: str) -> list[str]:
    return [row[0] for row in rows(url, statement)]


@pytest.fixture
def tenants(database: Database) -> Database:
    """Accounts 1 and 2, each with a user, a monitor, a result, an exchange and a certificate."""
    with psycopg.connect(database.url()) as connection:
        connection.execute(TWO_TENANTS)
        connection.execute(RESULT, [uuid4()])
        connection.execute(EXCHANGE)
        connection.execute(INGESTED)
        connection.execute(CERTIFICATES)
        connection.execute(GAP)
    return database


def relations(database: Database, schema: str, kinds: str) -> list[str]:
    return names(
        database.url(),
        f"SELECT format('%I.%I', '{schema}', relname) FROM pg_class"
        f" WHERE relnamespace = '{schema}'::regnamespace AND relkind = ANY ('{{{kinds}}}')",
    )


def test_everything_has_a_comment(database: Database) -> None:
    assert names(database.url(), UNCOMMENTED) == []


def test_timescaledbs_functions_are_where_every_role_finds_them(database: Database) -> None:
    for role in ("vantage", "vantage_collector", "vantage_dashboard", "vantage_reader"):
        assert len(names(database.url(role=role), "SELECT time_bucket('1 day', now())")) == 1


def test_migrations_are_numbered_one_after_the_other() -> None:
    numbers = [int(path.name[:4]) for path in sorted((SQL / "migrations").glob("*.sql"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_ledger_holds_the_files(database: Database) -> None:
    files = [Script(path.name, path.read_text()) for path in (SQL / "migrations").glob("*.sql")]
    recorded = rows(database.url(), "SELECT name, sha256 FROM vantage.migrations ORDER BY name")
    assert recorded == sorted((script.name, script.sha256) for script in files)


def test_views_can_be_renewed_over_rows(tenants: Database) -> None:
    for _ in range(2):
        assert migrate(tenants.url()) == []
    assert len(rows(tenants.url(role="vantage_dashboard"), "TABLE report.results", account=1)) == 1


def test_the_report_centre_may_touch_no_table(tenants: Database) -> None:
    chunks = names(
        tenants.url(),
        "SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks",
    )
    tables = relations(tenants, "vantage", "r,p,v,m")
    assert len(chunks) >= 4
    assert {"vantage.results", "vantage.users"} <= set(tables)
    url = tenants.url(role="vantage_dashboard")
    for table in tables + chunks:
        for statement in (f"TABLE {table}", f"DELETE FROM {table}", f"COPY {table} TO STDOUT"):
            # Some views let nobody delete.
            with pytest.raises((errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState)):
                rows(url, statement, account=1)


def test_the_report_centre_sees_only_the_account_that_is_set(tenants: Database) -> None:
    url = tenants.url(role="vantage_dashboard")
    views = relations(tenants, "report", "v,m")
    assert {"report.results", "report.monitors", "report.exchanges"} <= set(views)
    for view in views:
        assert rows(url, f"TABLE {view}") == [], f"{view} without an account"
        seen = len(rows(url, f"TABLE {view}", account=1))
        assert seen == 1 or (seen and view == "report.notification_fields"), view
        assert rows(url, f"TABLE {view}", account=3) == [] or view in ALL_SEE
    assert rows(url, "TABLE report.agents", account=2) == []  # no operator is there
    for view in ("results", "exchanges", "certificates", "monitor_locations"):
        assert rows(url, f"SELECT monitor_id FROM report.{view}", account=2) == [(2,)]
    assert rows(url, "SELECT id, name FROM report.monitors", account=2) == [(2, "two")]


def test_no_function_of_a_query_sees_the_rows_of_others(tenants: Database) -> None:
    """A condition that raises on another's row would tell what is in it."""
    url = tenants.url(role="vantage_dashboard")
    leak = "SELECT 1 FROM report.monitors WHERE 1 / (id - 2) < 9"
    assert rows(url, leak, account=1) == [(1,)]
    leak = "SELECT 1 FROM report.results WHERE 1 / (monitor_id - 2) < 9"
    assert rows(url, leak, account=1) == [(1,)]


def test_the_report_centre_cannot_make_itself_more(tenants: Database) -> None:
    url = tenants.url(role="vantage_dashboard")
    for statement in (
        "SET ROLE vantage_views",
        "SET SESSION AUTHORIZATION vantage",
        "CREATE TABLE report.own ()",
        "CREATE TABLE vantage.own ()",
        "CREATE OR REPLACE VIEW report.results AS SELECT 1 AS slot_at",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_authid",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            rows(url, statement)


def test_signing_in_is_all_that_the_report_centre_learns_of_people(tenants: Database) -> None:
    url = tenants.url(role="vantage_dashboard")
    [found] = rows(url, "SELECT * FROM report.sign_in_candidate('ONE@example.org')")
    assert found[1] == "$argon2id$one"
    token = "decode(repeat('ab', 32), 'hex')"
    rows(url, f"SELECT report.start_session({found[0]}, {token}, {token}, '1 hour', 'Opera')::text")
    assert rows(url, f"SELECT user_id FROM report.session_of('path', {token})") == []
    [(user_id,)] = rows(url, f"SELECT user_id FROM report.session_of('cookie', {token})")
    assert rows(url, f"SELECT email, role FROM report.enter({user_id})") == [
        ("one@example.org", "owner")
    ]
    rows(url, f"SELECT report.end_session({token})::text")
    assert rows(url, f"SELECT * FROM report.session_of('cookie', {token})") == []


def test_sres_read_results_of_all_and_no_secret(tenants: Database) -> None:
    url = tenants.url(role="vantage_reader")
    assert len(rows(url, "TABLE vantage.results")) == 2
    assert len(rows(url, "TABLE vantage.monitors")) == 2
    assert rows(url, "SELECT email FROM vantage.users WHERE id = 1") == [("one@example.org",)]
    for statement in (
        "SELECT password_hash FROM vantage.users",
        "SELECT token_hash FROM vantage.sessions",
        "SELECT secret_hash FROM vantage.enrolment_tokens",
        "DELETE FROM vantage.results",
        "UPDATE vantage.monitors SET name = 'x'",
        "SELECT sealed FROM vantage.channels",
        "SELECT token_hash FROM vantage.links",
        "SELECT token_hash FROM vantage.api_tokens",
        "SELECT report.end_session('\\x00')",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            rows(url, statement)


def test_the_collector_keeps_its_hands_off_the_ledger(tenants: Database) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        rows(tenants.url(role="vantage_collector"), "DELETE FROM vantage.migrations RETURNING 1")
