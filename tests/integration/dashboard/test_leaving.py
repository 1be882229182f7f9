"""Taking everything along, and leaving nothing behind."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.integration.dashboard.conftest import Visitor
from tests.support import seed
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


COUNTS = """
SELECT (SELECT count(*) FROM vantage.results), (SELECT count(*) FROM vantage.monitors),
    (SELECT count(*) FROM vantage.users), (SELECT count(*) FROM vantage.accounts),
    (SELECT count(*) FROM vantage.exchanges), (SELECT count(*) FROM vantage.monitor_definitions)
"""


def test_everything_is_in_the_archive_and_then_nowhere(visitor: Visitor, centre: Centre) -> None:
    answer = visitor.ask("/settings/data/everything.zip")
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.body))
    assert archive.testzip() is None
    monitors = json.loads(archive.read("monitors.json"))
    assert len(monitors) == 6
    for monitor in monitors:
        text = archive.read(f"results/monitor-{monitor['id']}.csv").decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        [(stored,)] = centre.execute(
            "SELECT count(*) FROM vantage.results WHERE monitor_id = %(id)s", id=monitor["id"]
        )
        assert len(rows) == stored
    assert b"$argon2id$" not in answer.body + archive.read("members.json")
    assert seed.OTHER_EMAIL not in archive.read("members.json").decode()

    page = "/settings/data"
    wrong = {"csrf": visitor.form_token(page), "account": "Example Shop", "password": "no"}
    assert "is not that" in visitor.ask(f"{page}/delete", "POST", wrong).text
    wrong = {**wrong, "account": "Example", "password": seed.PASSWORD}
    assert "Nothing was deleted" in visitor.ask(f"{page}/delete", "POST", wrong).text
    right = {**wrong, "account": "Example Shop"}
    assert visitor.ask(f"{page}/delete", "POST", right).headers["location"] == "/sign-in"
    assert visitor.ask("/").status == 303
    assert Visitor(centre).sign_in().status == 401
    wait_until(
        lambda: centre.execute("SELECT count(*) FROM vantage.accounts") == [(1,)],
        what="the account's rows are removed",
    )
    [(results, monitors_left, *rest)] = centre.execute(COUNTS)
    assert (monitors_left, *rest) == (1, 1, 1, 0, 1)
    others = centre.execute("SELECT count(*) FROM vantage.results JOIN vantage.monitors"
                            " ON monitors.id = monitor_id")  # fmt: skip
    assert others == [(results,)]


def test_only_owners_take_and_delete_all(other_visitor: Visitor, centre: Centre) -> None:
    role = "UPDATE vantage.users SET role = %(role)s WHERE email = 'other@example.com'"
    centre.execute(role, role="editor")
    token = other_visitor.form_token("/settings/data")
    form = {"csrf": token, "account": "Somebody Else", "password": seed.PASSWORD}
    assert other_visitor.ask("/settings/data/everything.zip").status == 403
    assert other_visitor.ask("/settings/data/delete", "POST", form).status == 403
    centre.execute(role, role="owner")
