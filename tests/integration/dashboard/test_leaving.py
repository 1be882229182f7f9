"""Taking everything along, and leaving nothing behind."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from tests.integration.dashboard.conftest import Visitor
from tests.support import seed, tenant
from tests.support.database import Databases
from tests.support.processes import wait_until
from tests.support.report_centre import Centre
from tests.support.report_centre import centre as run_centre


@pytest.fixture(scope="module")
def running_centre(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Centre]:
    """One of this module's own: an account of it leaves."""
    home = tmp_path_factory.mktemp("left-centre")
    with run_centre(databases, home, length=timedelta(minutes=30)) as started:
        yield started


# Numbers of monitors only, which a collector deletes within seconds of having read them.
PASSING = {"vantage.ingested", "vantage.arrivals"}
# In the archive as CSV, or under the name of the view that shows it.
ELSEWHERE = {
    "vantage.results": "results/monitor-4711.csv",
    "vantage.exchanges": "exchanges/monitor-4711.csv",
    "vantage.gaps": "gaps/monitor-4711.csv",
    "vantage.rollups_1h": "results_1h/monitor-4711.csv",
    "vantage.rollups_1d": "results_1d/monitor-4711.csv",
    "vantage.certificate_sightings": "certificates.json",
}
# Not a customer's: what an agent sent that is no result, and when agents were away.
NOT_THEIRS = {"vantage.quarantine", "vantage.absences"}
# Of results and hours all of which are there.
AGAIN = {"vantage.medians", "vantage.totals_1h", "vantage.monitors_1h"}


@pytest.fixture
def owner(centre: Centre) -> Visitor:
    """Of an account that has something in every table."""
    tenant.plant(centre.database.url(), password_hash=seed.HASHER.hash(seed.PASSWORD))
    owner = Visitor(centre)
    owner.sign_in_and_on(email=tenant.EMAIL)
    return owner


def test_everything_is_in_the_archive_and_then_nowhere(owner: Visitor, centre: Centre) -> None:
    with psycopg.connect(centre.database.url(), autocommit=True) as connection:
        planted = tenant.find(connection)
        others = connection.execute("SELECT count(*) FROM vantage.results").fetchall()
        answer = owner.ask("/settings/data/everything.zip")
        assert answer.headers["content-type"] == "application/zip"
        archive = zipfile.ZipFile(io.BytesIO(answer.body))
        assert archive.testzip() is None
        assert min(file.date_time for file in archive.infolist()) > (2026,)
        files = {name: archive.read(name).decode() for name in archive.namelist()}
        for table in set(planted.tables) - PASSING - NOT_THEIRS - AGAIN:
            file = ELSEWHERE.get(table, f"{table.removeprefix('vantage.')}.json")
            assert re.search(r"xyzzy|4711", files.get(file, "")), f"{table} is not in the archive"
        assert [row["id"] for row in json.loads(files["monitors.json"])] == [4711, 4712]
        # Also what has no rows names its columns.
        heights = {name: len(text.splitlines()) for name, text in files.items()}
        assert min(heights.values()) == 1, heights
        removed = list(csv.DictReader(io.StringIO(files["results/monitor-4712.csv"])))
        assert [row["detail"] for row in removed] == ["xyzzy was not found"]
        text = "".join(files.values())
        assert "$argon2id$" not in text
        assert "xyzzy sealed" not in text
        assert seed.EMAIL not in text
        for secret in ("xyzzy session", "xyzzy token", "xyzzy link"):
            assert hashlib.sha256(secret.encode()).hexdigest() not in text

        leave(owner)
        assert Visitor(centre).sign_in(tenant.EMAIL).status == 401
        [(people,)] = centre.execute("SELECT count(*) FROM vantage.users WHERE id = 4711")
        assert people == 0
        gone = set(planted.tables) - PASSING
        wait_until(
            lambda: (
                not any(rows for table, rows in planted.rows(connection).items() if table in gone)
            ),
            what="the account's rows are removed",
        )
        # Nobody else's target showed it.
        certificates = "SELECT count(*) FROM vantage.certificates WHERE der = 'xyzzy'"
        assert centre.execute(certificates) == [(0,)]
        left = connection.execute("SELECT count(*) FROM vantage.results").fetchall()
        assert left[0][0] == others[0][0] - 2
        assert centre.execute("SELECT count(*) FROM vantage.accounts") == [(2,)]


def leave(owner: Visitor) -> None:
    """Delete the account, after some attempts that must not."""
    page = "/settings/data"
    wrong = {"csrf": owner.form_token(page), "account": "xyzzy account", "password": "no"}
    assert "is not that" in owner.ask(f"{page}/delete", "POST", wrong).text
    wrong = {**wrong, "account": "xyzzy", "password": seed.PASSWORD}
    assert "Nothing was deleted" in owner.ask(f"{page}/delete", "POST", wrong).text
    right = {**wrong, "account": "xyzzy account"}
    assert owner.ask(f"{page}/delete", "POST", right).headers["location"] == "/sign-in?done=deleted"
    assert owner.ask("/").status == 303


def test_only_owners_take_and_delete_all(other_visitor: Visitor, centre: Centre) -> None:
    role = "UPDATE vantage.users SET role = %(role)s WHERE email = 'other@example.com'"
    centre.execute(role, role="editor")
    token = other_visitor.form_token("/settings/data")
    form = {"csrf": token, "account": "Somebody Else", "password": seed.PASSWORD}
    assert other_visitor.ask("/settings/data/everything.zip").status == 403
    assert other_visitor.ask("/settings/data/delete", "POST", form).status == 403
    centre.execute(role, role="owner")
