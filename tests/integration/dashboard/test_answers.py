"""What every answer carries, whatever the page is."""

from __future__ import annotations

import gzip
import re
from urllib.parse import quote

import pytest

from tests.integration.dashboard.conftest import Visitor, send
from tests.support.report_centre import Centre


def test_every_answer_is_guarded(visitor: Visitor) -> None:
    paths = ("/", "/healthz", "/nowhere", "/sign-in", "/m/1/series.json", "/api/v1/monitors")
    for path in paths:
        headers = visitor.ask(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_pages_hold_no_inline_script_or_style(visitor: Visitor) -> None:
    for path in ("/", "/m/1", "/sign-in"):
        text = visitor.ask(path).text
        assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", text)


def test_what_people_wrote_is_text(visitor: Visitor, centre: Centre) -> None:
    rename = "UPDATE vantage.locations SET title = replace(title, %(old)s, %(new)s)"
    centre.execute(rename, old="Frank", new="<i>Frank")
    try:
        for path in ("/", f"/m/{centre.monitor('Home page')}"):
            text = visitor.ask(path).text
            assert "&lt;i&gt;Frank" in text
            assert "<i>" not in text
    finally:
        centre.execute(rename, old="<i>Frank", new="Frank")


@pytest.mark.parametrize("host", ["evil example", "a/b", ""])
def test_a_malformed_host_is_refused(visitor: Visitor, host: str) -> None:
    assert visitor.ask("/", Host=host).status == 400


def test_pages_are_compressed_and_never_cached(visitor: Visitor) -> None:
    answer = visitor.ask("/", Accept_Encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert "Checkout · cart page" in gzip.decompress(answer.body).decode()
    assert answer.headers["cache-control"] == "no-store"


def test_scripts_are_cached_for_ever_under_an_address_of_their_own(visitor: Visitor) -> None:
    found = re.search(r'src="(/static/\w+/app.js)"', visitor.ask("/").text)
    assert found
    answer = visitor.ask(found[1])
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")
    packed = visitor.ask(found[1], Accept_Encoding="gzip")
    assert gzip.decompress(packed.body) == answer.body
    assert visitor.ask("/static/0/../../settings.py").status == 404
    assert visitor.ask("/static/0/%2e%2e/app.py").status == 404


def test_a_page_asks_at_once_for_all_that_it_needs(visitor: Visitor, centre: Centre) -> None:
    text = visitor.ask(f"/m/{centre.monitor('Home page')}?range=1h&loc=fra").text
    (script,) = re.findall(r'<script [^>]*src="([^"]+)"', text)
    scripts = visitor.ask(script).text
    assert all(part in scripts for part in ("uplot", "X-Vantage-Refresh", "aria-valuetext"))
    assert not re.search(r"\bimport\b", scripts)
    (styles,) = re.findall(r'rel="stylesheet" href="([^"]+)"', text)
    parts = visitor.ask(styles).text
    assert all(part in parts for part in ("--ground:", ".verdicts{", ".u-select{", "@media print"))
    assert "@import" not in parts
    assert visitor.ask(f"{styles.rpartition('/')[0]}/land.svg").status == 200
    series = re.search(r'<link rel="preload" as="fetch" [^>]*href="([^"]+)"', text)
    assert series
    assert series[1].endswith("/series.json?range=1h&amp;loc=fra"), "what charts.js asks for"


@pytest.mark.parametrize("number", ["²", "9" * 30, "0" * 9 + "5", "-1", "one"])
def test_what_is_no_identity_names_nobody(visitor: Visitor, number: str) -> None:
    pages = {
        "/settings/status-pages/save": {"slug": "odd", "title": "Odd", "monitor": number},
        "/settings/notifications/add": {"address": "ann@acme.example", "monitor": number},
        "/reports/mail/add": {"name": "Odd", "when": "week 1", "at": "06:00", "member": number},
    }
    for path, form in pages.items():
        answer = send(visitor, path, path.rpartition("/")[0], **form)
        assert answer.status in (303, 400), path
    for path in ("/reports?limit=", "/m/1/series.json?points=", "/settings/audit?before="):
        assert visitor.ask(path + quote(f"000000600{number}")).status in (200, 400, 404), path
