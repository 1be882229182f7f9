"""Reports in the report centre: the page and its other forms."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.integration.dashboard.conftest import Visitor
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


def test_it_comes_as_csv_json_and_pdf(visitor: Visitor) -> None:
    table = visitor.ask(f"/reports/month.csv{QUERY}")
    assert table.headers["content-disposition"] == (
        f'attachment; filename="report-{NOW:%Y-%m}.csv"'
    )
    assert len(table.text.splitlines()) == 7
    content = json.loads(visitor.ask(f"/reports/month.json{QUERY}").text)["report"]["content"]
    assert [entry["monitor"] for entry in content][:2] == ["Checkout · cart page", "Health check"]
    pdf = visitor.ask(f"/reports/month.pdf{QUERY}")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.body.startswith(b"%PDF-1.")
    assert len(pdf.body) > 10_000
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
