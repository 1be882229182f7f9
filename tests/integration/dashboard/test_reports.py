"""Reports in the report centre: the page and its other forms."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from pyarrow import parquet

from tests.integration.dashboard.conftest import Visitor
from tests.support import seed
from tests.support.report_centre import Centre

NOW = datetime.now(UTC)
QUERY = f"?month={NOW:%Y-%m}&objective=99.5&limit=800&share=90"


def test_a_month_is_shown_with_its_rules(visitor: Visitor, centre: Centre) -> None:
    page = visitor.ask(f"/reports{QUERY}").text
    assert "Home page" in page
    assert "So far" in page
    assert "rounded down to three decimals" in page
    assert "Not yours" not in page
    one = visitor.ask(f"/reports{QUERY}&monitor={centre.monitor('Home page')}").text
    assert "<tr>" in one
    assert one.count("Sign-in API") == 1  # among the choices only


def test_nine_comes_before_ten(visitor: Visitor, centre: Centre) -> None:
    names = {"Health check": "Shop 10", "Sign-in API": "Shop 9"}
    try:
        for name, other in names.items():
            rename(centre, name, other)
        content = json.loads(visitor.ask(f"/reports/month.json{QUERY}").text)["report"]["content"]
        listed = [entry["monitor"] for entry in content]
        assert listed.index("Shop 10") == listed.index("Shop 9") + 1
        choices = visitor.ask("/settings/status-pages").text
        assert 0 < choices.index("Shop 9") < choices.index("Shop 10")
    finally:
        for name, other in names.items():
            rename(centre, other, name)


def rename(centre: Centre, name: str, other: str) -> None:
    centre.execute(
        "UPDATE vantage.monitors SET name = %(other)s WHERE name = %(name)s", name=name, other=other
    )


def test_it_comes_as_data_and_as_pdf(visitor: Visitor) -> None:
    table = visitor.ask(f"/reports/month.csv{QUERY}")
    assert table.headers["content-disposition"] == (
        f'attachment; filename="report-{NOW:%Y-%m}.csv"'
    )
    header, *rows = csv.reader(table.text.splitlines())
    assert len(rows) == 6
    about = dict(zip(header, rows[0], strict=True))
    assert (about["period"], about["revision"]) == (f"{NOW:%Y-%m}", "0")
    assert (about["objective"], about["limit_us"], about["share"]) == ("99.5", "800000", "90")
    content = json.loads(visitor.ask(f"/reports/month.json{QUERY}").text)["report"]["content"]
    assert [entry["monitor"] for entry in content][:2] == ["Checkout · cart page", "Health check"]
    answer = visitor.ask(f"/reports/month.parquet{QUERY}")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    file = parquet.read_table(io.BytesIO(answer.body))
    assert file.column_names == header
    for line, row, entry in zip(rows, file.to_pylist(), content, strict=True):
        # Each is made anew while the month goes on.
        made_at = datetime.fromisoformat(line[header.index("made_at")])
        assert abs(row["made_at"] - made_at) < timedelta(minutes=10)
        assert (row["objective"], row["share"], row["limit_us"]) == (99.5, 90, 800_000)
        for name in ("monitor", "judged", "availability", "is_met", "median_us", "incident_s"):
            assert row[name] == entry[name], name
    pdf = visitor.ask(f"/reports/month.pdf{QUERY}")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.body.startswith(b"%PDF-1.")
    assert len(pdf.body) > 10_000
    # Of today as well, whose hours are not summed up to a day yet.
    assert all(entry["timed"] > 0 and entry["median_us"] > 0 for entry in content)
    assert visitor.ask("/reports/month.docx").status == 404


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?month=October", "It has the form 2026-10"),
        ("?objective=all", "0 to 100 percent"),
        ("?objective=100.1", "0 to 100 percent"),
        ("?limit=fast", "1 to 600000 ms"),
        ("?monitor=x", "by their numbers"),
        ("?month=2099-01", "yet to come"),
    ],
)
def test_what_cannot_be_reported_is_told(visitor: Visitor, query: str, sentence: str) -> None:
    answer = visitor.ask(f"/reports{query}")
    assert (answer.status, sentence in answer.text) == (400, True)


def test_strangers_sign_in_first(stranger: Visitor) -> None:
    assert stranger.ask("/reports").headers["location"].startswith("/sign-in")


def test_a_week_is_shown_as_well(visitor: Visitor) -> None:
    monday = NOW.date() - timedelta(days=NOW.weekday())
    page = visitor.ask(f"/reports?week={monday}").text
    assert "So far: the week is not over" in page
    assert f"to {monday + timedelta(days=6):%-d %B %Y}" in page
    assert visitor.ask(f"/reports/month.pdf?week={monday}").body.startswith(b"%PDF-1.")
    for query, sentence in ((monday + timedelta(1), "by its Monday"), ("soon", "by its Monday")):
        assert sentence in visitor.ask(f"/reports?week={query}").text


def test_reports_by_mail_are_arranged_and_ended(visitor: Visitor, centre: Centre) -> None:
    path = "/reports/mail"
    token = visitor.form_token(path)
    [(own_id,)] = centre.execute("SELECT id FROM vantage.users WHERE email = %(e)s", e=seed.EMAIL)
    [(other_id,)] = centre.execute(
        "SELECT id FROM vantage.users WHERE email = %(e)s", e=seed.OTHER_EMAIL
    )
    form = {
        "csrf": token,
        "name": "For the board",
        "when": "month 2",
        "at": "07:30",
        "zone": "Europe/Berlin",
        "objective": "99.5",
        "limit": "800",
        "share": "90",
        "member": str(own_id),
    }
    for changes, sentence in (
        ({"member": str(other_id)}, "no such member"),
        ({"member": ""}, "Choose at least one member"),
        ({"when": "month 31"}, "Choose a day of the list."),
        ({"objective": "all"}, "0 to 100 percent"),
        ({"zone": "Mars"}, "no time zone"),
        ({"name": ""}, "1 to 100 characters"),
    ):
        answer = visitor.ask(f"{path}/add", "POST", form | changes)
        assert (answer.status in (400, 404), sentence in answer.text) == (True, True), changes
    assert visitor.ask(f"{path}/add", "POST", form).status == 303
    page = visitor.ask(path).text
    assert "On day 2 of every month, 07:30" in page
    assert "90 % within 800" in page
    assert "named “For the board” already" in visitor.ask(f"{path}/add", "POST", form).text
    [(number,)] = centre.execute("SELECT id FROM vantage.report_schedules")
    filled = visitor.ask(f"{path}?change={number}").text
    assert "Change For the board" in filled
    for value in ('value="07:30"', 'value="800"', '<option value="month 2" selected>'):
        assert value in filled
    changed = {**form, "id": str(number), "when": "week 1", "limit": "", "revisions": "yes"}
    answer = visitor.ask(f"{path}/change?change={number}", "POST", changed | {"member": ""})
    assert (answer.status, "Choose at least one" in answer.text) == (400, True)
    assert visitor.ask(f"{path}/change", "POST", changed).status == 303
    page = visitor.ask(path).text
    assert "Every Monday, 07:30" in page
    assert "revisions too" in page
    assert "within 800" not in page
    assert visitor.ask(f"{path}/change", "POST", changed | {"id": "999"}).status in (400, 404)
    gone = {"csrf": token, "id": str(number)}
    assert visitor.ask(f"{path}/remove", "POST", gone).status == 303
    assert visitor.ask(f"{path}/remove", "POST", gone).status in (400, 404)
