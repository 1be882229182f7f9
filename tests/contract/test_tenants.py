"""Nobody's views and functions show, or change, anything of another account.

Every view and function of schema report is found in the catalogue, so a new one is tried as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from tests.support import tenant
from tests.support.database import Databases
from tests.support.tenant import ACCOUNT, EMAIL, MARK, REMOVED, SLUG, Connection, Tenant

VISITORS = {"an owner of another account": 1, "nobody": None}

OURS = re.compile(rf"{MARK}|\b({ACCOUNT}|{REMOVED})\b")

# Seen by everybody who is signed in, or by those who run the installation.
SHARED = {
    "report.locations",
    "report.agents",
    "report.location_troubles",
    "report.sealing_keys",
    "report.offers",
    "report.notifying",
    "report.outbox",
    "report.notification_fields",
}

# Functions that are told whom they are for by whoever calls them, or repeat what they are told, and
# why that is right.
ENTRANCES = {
    "enter": "the report centre has verified who it is",
    "sign_in_candidate": "the report centre verifies the password against it",
    "start_session": "the report centre has verified who it is",
    "begin_reset": "a link by mail, which only the address's owner reads",
    "begin_registration": "says whether the address is known, which only a mail tells",
    "public_page": "a status page is for everybody",
    "enter_identity": "the identity provider has vouched for whom it is",
    "decide_mails": "queues what is due, whoever asks",
    "claim_mail": "the report centre sends what is due, whoever asks",
    "set_subscription": "an event of Stripe's, whose signature the report centre has verified",
    "unsubscribe": "the report centre has verified the link's signature",
    "purge": "removes what an account has left, whoever asks",
    "preview_words": "repeats what it is given, with a sample incident's words in it",
}

FUNCTIONS = """
SELECT proname::text, ARRAY(
    SELECT format_type(kind, NULL)
    FROM unnest(proargtypes::oid[]) WITH ORDINALITY AS argument (kind, place)
    ORDER BY place)
FROM pg_proc WHERE pronamespace = 'report'::regnamespace ORDER BY 1
"""
VIEWS = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'report'::regnamespace AND relkind IN ('v', 'm') ORDER BY 1
"""

# What a stranger may know or guess of the account. Texts come in several kinds.
TEXTS = (EMAIL, SLUG, "fra", "owner")
VALUES: dict[str, str] = {
    "integer": f"{ACCOUNT}",
    "bigint": f"{ACCOUNT}",
    "smallint": "1",
    "boolean": "true",
    "integer[]": f"'{{{ACCOUNT},{REMOVED}}}'",
    "bigint[]": f"'{{{ACCOUNT},{REMOVED}}}'",
    "text[]": "'{fra}'",
    "timestamp with time zone[]": "ARRAY[now() - INTERVAL '3 days']",
    "bytea": "sha256('a guess')",
    "interval": "INTERVAL '1 hour'",
    "jsonb": "'{}'",
    "uuid": "md5('agent')::uuid",
    "date": "current_date",
    "numeric": "99.9",
    "time without time zone": "localtime",
    "timestamp without time zone": "localtimestamp",
}
# A span that all its rows lie in.
INSTANTS = ("now() - INTERVAL '3 days'", "now() + INTERVAL '1 day'")


@pytest.fixture(scope="module")
def conninfo(databases: Databases) -> Iterator[str]:
    """The planted account, and another one with an owner, both numbered 1."""
    with databases.migrated() as database:
        with psycopg.connect(database.url(), autocommit=True) as connection:
            connection.execute("INSERT INTO vantage.accounts (name) VALUES ('another')")
            connection.execute(
                "INSERT INTO vantage.users (account_id, email, name)"
                " VALUES (1, 'owner@example.org', 'Owner')"
            )
            # Of which a function must ask whether it is this one, and not whether there is any.
            connection.execute(
                "INSERT INTO vantage.monitors (account_id, name, url, interval_s)"
                " VALUES (1, 'Other', 'https://other.example/', 60)"
            )
        tenant.plant(database.url())
        yield database.url()


@pytest.fixture
def connection(conninfo: str) -> Iterator[Connection]:
    with psycopg.connect(conninfo) as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def planted(connection: Connection) -> Tenant:
    return tenant.find(connection)


def become(connection: Connection, visitor: int | None, role: str = "vantage_dashboard") -> None:
    connection.execute(f"SET LOCAL ROLE {role}".encode())
    for name in ("vantage.account_id", "vantage.user_id"):
        connection.execute("SELECT set_config(%s, %s, true)", [name, str(visitor or "")])


def texts(connection: Connection, statement: str) -> list[str]:
    return [str(row) for row in connection.execute(statement.encode()).fetchall()]


def shown(connection: Connection, view: str) -> str:
    return "\n".join(texts(connection, f"SELECT t::text FROM {view} AS t"))


def test_the_account_has_something_in_every_table(connection: Connection, planted: Tenant) -> None:
    empty = [table for table, rows in planted.rows(connection).items() if not rows]
    assert not empty, "plant a row of these in tests/support/tenant.sql"
    assert len(planted.tables) > 18


def test_no_view_shows_anything_of_another_account(connection: Connection) -> None:
    views = [name for (name,) in connection.execute(VIEWS).fetchall()]
    become(connection, ACCOUNT)
    # Else looking for it below would find nothing, whatever was shown.
    assert {view for view in views if not OURS.search(shown(connection, view))} <= SHARED
    for visitor in VISITORS.values():
        become(connection, visitor)
        for view in views:
            assert not OURS.search(shown(connection, view)), view


def test_row_level_security_alone_keeps_accounts_apart(
    connection: Connection, planted: Tenant
) -> None:
    """Each view has a condition of its own besides; one of the two may be forgotten."""
    secured = connection.execute(
        "SELECT format('vantage.%I', relname) FROM pg_class"
        " WHERE relrowsecurity AND relnamespace = 'vantage'::regnamespace"
    ).fetchall()
    assert len(secured) >= 4
    for (name,) in secured:
        look = f"SELECT count(*) FROM {name} WHERE {planted.tables[name]}"
        become(connection, ACCOUNT, "vantage_views")
        assert texts(connection, look) != ["(0,)"], name
        for visitor in VISITORS.values():
            become(connection, visitor, "vantage_views")
            assert texts(connection, look) == ["(0,)"], name
        connection.execute("RESET ROLE")


def calls(kinds: list[str]) -> Iterator[list[str]]:
    """Arguments that name what is the account's, with one text after the other."""
    for text in TEXTS if "text" in kinds else TEXTS[:1]:
        instants = iter(INSTANTS * len(kinds))
        yield [
            f"'{text}'"
            if kind == "text"
            else next(instants)
            if kind == "timestamp with time zone"
            else VALUES[kind]
            for kind in kinds
        ]


def test_no_function_shows_or_changes_anything_of_another_account(
    connection: Connection, planted: Tenant
) -> None:
    before = planted.fingerprint(connection)
    reached = set()
    for name, kinds in connection.execute(FUNCTIONS).fetchall():
        if name in ENTRANCES:
            continue
        for arguments in calls(kinds):
            call = f"SELECT * FROM report.{name}({', '.join(arguments)})"
            for visitor in (ACCOUNT, *VISITORS.values()):
                with connection.transaction(force_rollback=True):
                    become(connection, visitor)
                    told = answer(connection, call)
                    connection.execute("RESET ROLE")
                    is_safe = not OURS.search(told) and planted.fingerprint(connection) == before
                if visitor != ACCOUNT:
                    assert is_safe, f"{call}: {told}"
                elif not is_safe:
                    reached.add(name)
    # The account's own owner gets through, with the same arguments.
    assert {
        "availability",
        "remove_monitor",
        "remove_status_page",
        "withdraw_invitation",
    } <= reached
    assert len(reached) > 10


def answer(connection: Connection, call: str) -> str:
    """What a call gives back, or says when it refuses, without what it was given."""
    try:
        with connection.transaction():
            return "\n".join(texts(connection, call))
    except psycopg.Error as error:
        # VA...: it was refused. Others: such a value cannot be.
        if (error.sqlstate or "")[:2] not in ("VA", "22", "23"):
            raise
        return str(error.diag.message_primary).replace(EMAIL, "").replace(str(ACCOUNT), "")


def test_the_entrances_are_there(connection: Connection) -> None:
    names = {name for name, _ in connection.execute(FUNCTIONS).fetchall()}
    assert set(ENTRANCES) <= names
