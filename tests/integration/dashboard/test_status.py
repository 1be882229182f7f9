"""Status pages: for everybody, without a cookie, and cacheable; and what stays hidden."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import pytest
from pyarrow import parquet

from tests.integration.dashboard.conftest import Answer, Visitor
from tests.support.report_centre import Centre

PAGE = "/settings/status-pages"


def save(visitor: Visitor, slug: str, title: str, *monitors: int) -> Answer:
    form = {"csrf": visitor.form_token(PAGE), "slug": slug, "title": title}
    if monitors:
        form["monitor"] = str(monitors[0])
    return visitor.ask(f"{PAGE}/save", "POST", form)


@pytest.fixture
def shown(visitor: Visitor, centre: Centre) -> Iterator[int]:
    """The monitor that page ``shop`` shows; one day of it with failures."""
    monitor_id = centre.monitor("Checkout · cart page")
    centre.execute(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT vantage.rebuild_rollups(now() - INTERVAL"
        " '1 h', now()); COMMIT"
    )
    assert save(visitor, "shop", "The shop & more", monitor_id).status == 303
    yield monitor_id
    centre.execute("DELETE FROM vantage.status_pages")


def test_its_address_stays_and_its_badges_are_shown(visitor: Visitor, shown: int) -> None:
    """Pages are found by their addresses: with another one it would be another page."""
    form = visitor.ask(f"{PAGE}?slug=shop").text
    assert '<input id="slug" name="slug" readonly' in form
    assert f'<img src="/status/shop/{shown}.svg" alt="Checkout · cart page"' in form
    assert "readonly" not in visitor.ask(PAGE).text


def test_anybody_reads_it_and_caches_may_keep_it(stranger: Visitor, shown: int) -> None:
    answer = stranger.ask("/status/shop")
    assert answer.status == 200
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "public, max-age=30"
    assert "The shop &amp; more" in answer.text
    # One of its five locations fails, which is no news for the public.
    assert "Everything is up" in answer.text
    assert answer.text.count("<title>") == 91
    assert "shop.example.com" not in answer.text
    again = stranger.ask("/status/shop", If_None_Match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")


def test_its_days_can_be_taken_along(stranger: Visitor, centre: Centre, shown: int) -> None:
    name = "UPDATE vantage.monitors SET name = %(name)s WHERE id = %(id)s"
    centre.execute("UPDATE vantage.status_pages SET slug = 'days' WHERE slug = 'shop'")
    centre.execute(name, name="=1", id=shown)
    try:
        page = stranger.ask("/status/days").text
        links = re.findall(r'href="(/status/days/days\.\w+)"', page)
        table, same, file = [stranger.ask(link) for link in links]
    finally:
        centre.execute(name, name="Checkout · cart page", id=shown)
    rows = json.loads(same.text)
    assert (len(rows), rows[-1]["monitor"]) == (90, "=1")
    assert sum(row["checks"] for row in rows) == _checks(page) > 0
    lines = list(csv.DictReader(io.StringIO(table.text)))
    assert lines[-1]["monitor"] == "'=1"
    assert list(lines[0]) == list(rows[0])
    assert parquet.read_table(io.BytesIO(file.body)).column_names == list(rows[0])
    assert table.headers["cache-control"] == "public, max-age=30"
    assert "set-cookie" not in table.headers
    assert stranger.ask("/status/days/days.sql").status == 404
    assert stranger.ask("/status/none/days.csv").status == 404


def test_services_are_in_the_order_of_their_names(
    visitor: Visitor, stranger: Visitor, centre: Centre
) -> None:
    """Not as they were added, nor as they were chosen; capitals count as little as accents."""
    centre.execute(
        "UPDATE vantage.monitors SET name = 'Éclair' WHERE name = 'Old shop, redirected'"
    )
    centre.new_status_page("Sign-in API", "Éclair", "Home page", "Checkout · cart page")
    centre.execute("UPDATE vantage.status_pages SET slug = 'names'")
    text = stranger.ask("/status/names").text
    centre.execute("DELETE FROM vantage.status_pages")
    centre.execute(
        "UPDATE vantage.monitors SET name = 'Old shop, redirected' WHERE name = 'Éclair'"
    )
    names = re.findall(r'<h2 id="monitor-\d+">([^<]+)', text)
    assert names == ["Checkout · cart page", "Éclair", "Home page", "Sign-in API"]


@pytest.fixture
def out(centre: Centre, visitor: Visitor) -> Iterator[int]:
    """An open incident and a closed one of what page ``out`` shows."""
    monitor_id = centre.monitor("Home page")
    centre.new_incident("Home page", "fra", "iad", is_open=True)
    centre.new_incident("Home page", "fra", "iad", is_open=False)
    centre.new_incident("Sign-in API", "fra", "iad", is_open=True)
    centre.execute(
        "UPDATE vantage.verdicts SET state = 'down' WHERE monitor_id = %(id)s", id=monitor_id
    )
    assert save(visitor, "out", "Out", monitor_id).status == 303
    yield monitor_id
    centre.execute("UPDATE vantage.verdicts SET state = 'up'")
    centre.execute("DELETE FROM vantage.incidents")
    centre.execute("DELETE FROM vantage.status_pages WHERE slug = 'out'")


def test_an_incident_is_on_the_page_the_badge_and_in_the_feed(stranger: Visitor, out: int) -> None:
    text = stranger.ask("/status/out").text
    assert "1 of 1 service is down" in text
    assert "<strong>Home page is down</strong>" in text
    assert "<strong>Home page was down for 30 min</strong>" in text
    assert "Sign-in" not in text, "which the page does not show"
    assert "203.0.113.7" not in text, "what was seen is nobody else's"
    badge = stranger.ask(f"/status/out/{out}.svg")
    assert badge.headers["content-type"] == "image/svg+xml"
    assert badge.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "Down" in "".join(ElementTree.fromstring(badge.text).itertext())
    feed = ElementTree.fromstring(stranger.ask("/status/out/feed.atom").text)
    titles = [title.text or "" for title in feed.iter("{http://www.w3.org/2005/Atom}title")]
    assert titles == ["Out", "Home page was down for 30 min", "Home page is down"]


@pytest.mark.parametrize(
    ("cause", "word"), [("too_slow", "Slow"), ("assertion_certificate", "Degraded")]
)
def test_what_is_degraded_is_slow_only_by_its_time(
    stranger: Visitor, visitor: Visitor, centre: Centre, cause: str, word: str
) -> None:
    ((monitor_id,),) = centre.execute(
        """
        WITH monitor AS (
            INSERT INTO vantage.monitors (account_id, name, url, interval_s)
            SELECT id, 'Blog', 'https://blog.example.com/', 60
            FROM vantage.accounts WHERE name = 'Example Shop'
            RETURNING id, account_id
        ),
        place AS (
            INSERT INTO vantage.monitor_locations (monitor_id, location)
            SELECT id, 'fra' FROM monitor
        ),
        stands AS (
            INSERT INTO vantage.standings (
                slot_at, first_slot_at, monitor_id, total_us, outcome, location, failure)
            SELECT now(), now(), id, 9, 'degraded', 'fra', %(cause)s FROM monitor
        ),
        verdict AS (
            INSERT INTO vantage.verdicts (
                monitor_id, state, since_at, judged_at, voting, needed, failing, slow)
            SELECT id, 'degraded', now(), now(), 1, 1, '{}', '{fra}' FROM monitor
        )
        INSERT INTO vantage.incidents (account_id, monitor_id, severity, began_at, opened_at,
            recovered_at, closed_at, cause, summary)
        SELECT account_id, id, 'degraded', now() - INTERVAL '1 h', now() - INTERVAL '1 h', ended_at,
            ended_at, %(cause)s, ''
        FROM monitor, (VALUES (now() - INTERVAL '30 min'), (NULL)) AS times (ended_at)
        RETURNING monitor_id
        """,
        cause=cause,
    )[:1]
    slug = word.lower()
    try:
        assert save(visitor, slug, "Blog", monitor_id).status == 303
        text = stranger.ask(f"/status/{slug}").text
        badge = stranger.ask(f"/status/{slug}/{monitor_id}.svg").text
        feed = stranger.ask(f"/status/{slug}/feed.atom").text
    finally:
        centre.execute("DELETE FROM vantage.status_pages WHERE title = 'Blog'")
        for table in ("incidents", "standings"):
            centre.execute(f"DELETE FROM vantage.{table} WHERE monitor_id = %(id)s", id=monitor_id)
        centre.execute("DELETE FROM vantage.monitors WHERE id = %(id)s", id=monitor_id)
    assert re.findall(r'<span class="state slow">.*?</svg> (\w+)</span>', text) == [word]
    for said in (text, feed):
        assert f"Blog is {slug}<" in said
        assert f"Blog was {slug} for 30 min<" in said
    assert f"<title>Blog: {word}</title>" in badge
    assert cause not in text + badge + feed, "causes are nobody else's"


def test_a_badge_keeps_a_long_name_short_and_square_letters_wide(
    stranger: Visitor, centre: Centre, out: int
) -> None:
    name = "結帳 " + "x" * 60
    was = "UPDATE vantage.monitors SET name = %(name)s WHERE id = %(id)s"
    centre.execute("UPDATE vantage.status_pages SET slug = 'named' WHERE slug = 'out'")
    centre.execute(was, name=name, id=out)
    try:
        badge = ElementTree.fromstring(stranger.ask(f"/status/named/{out}.svg").text)
    finally:
        centre.execute(was, name="Home page", id=out)
        centre.execute("UPDATE vantage.status_pages SET slug = 'out' WHERE slug = 'named'")
    assert badge.attrib["aria-label"] == f"{name}: Down"
    said = next(badge.iter("{http://www.w3.org/2000/svg}text"))
    assert said.text == f"結帳 {'x' * 36}…"
    # Two square letters, a space, 36 like most, and one that is as wide as three dots.
    assert said.attrib["textLength"] == str(round(2 * 12 + 4.2 + 36 * 6.5 + 10))


def test_what_is_up_again_while_an_incident_goes_on_is_not_everything(
    stranger: Visitor, centre: Centre, out: int
) -> None:
    centre.execute("UPDATE vantage.verdicts SET state = 'up' WHERE monitor_id = %(id)s", id=out)
    centre.execute("UPDATE vantage.status_pages SET slug = 'partly' WHERE slug = 'out'")
    try:
        text = stranger.ask("/status/partly").text
        assert "Some services have a problem" in text
        assert "Everything is up" not in text
    finally:
        centre.execute("UPDATE vantage.status_pages SET slug = 'out' WHERE slug = 'partly'")


def test_maintenance_is_announced_without_its_reason(
    stranger: Visitor, visitor: Visitor, centre: Centre
) -> None:
    monitor_id = centre.monitor("Home page")
    centre.execute(
        "INSERT INTO vantage.maintenance (account_id, monitor_id, from_at, to_at, title)"
        " SELECT account_id, id, now() - INTERVAL '1 hour', now() + INTERVAL '1 hour', 'a secret'"
        " FROM vantage.monitors WHERE name IN ('Home page', 'Sign-in API')"
    )
    assert save(visitor, "work", "Work", monitor_id).status == 303
    try:
        text = stranger.ask("/status/work").text
        assert text.count("Maintenance of Home page:") == 1
        assert "Sign-in" not in text
        assert "a secret" not in text
    finally:
        centre.execute("DELETE FROM vantage.maintenance")
        centre.execute("DELETE FROM vantage.status_pages WHERE slug = 'work'")


def test_maintenance_counts_for_no_day(stranger: Visitor, visitor: Visitor, centre: Centre) -> None:
    """Two windows that overlap, from within an hour to within another."""
    monitor_id = centre.monitor("Home page")
    save(visitor, "before", "Before", monitor_id)
    save(visitor, "after", "After", monitor_id)
    ((inside,),) = centre.execute(
        "WITH work AS (INSERT INTO vantage.maintenance (account_id, monitor_id, from_at, to_at)"
        " SELECT account_id, id, now() - since * INTERVAL '1 min', now() - till * INTERVAL '1 min'"
        " FROM vantage.monitors, (VALUES (190, 70), (130, 55)) AS span (since, till)"
        " WHERE name = 'Home page')"
        " SELECT count(*) FROM vantage.results WHERE monitor_id = %(id)s AND NOT is_extra"
        " AND slot_at >= now() - INTERVAL '190 min' AND slot_at < now() - INTERVAL '55 min'",
        id=monitor_id,
    )
    try:
        without = _checks(stranger.ask("/status/after").text)
        centre.execute("DELETE FROM vantage.maintenance")
        assert _checks(stranger.ask("/status/before").text) - without == inside > 500
    finally:
        centre.execute("DELETE FROM vantage.maintenance")
        centre.execute("DELETE FROM vantage.status_pages WHERE slug IN ('before', 'after')")


def _checks(text: str) -> int:
    """Of all days."""
    return sum(
        int(each.replace(",", "")) for each in re.findall(r"of ([\d,]+) checks? failed", text)
    )


def test_what_it_does_not_show_is_not_there(stranger: Visitor, shown: int) -> None:
    for path in ("/status/none", "/status/shop/999999.svg", "/status/none/feed.atom"):
        assert stranger.ask(path).status == 404


def test_addresses_are_whose_came_first(other_visitor: Visitor, shown: int, centre: Centre) -> None:
    answer = save(other_visitor, "shop", "Mine now")
    assert answer.status == 400
    assert "is taken" in answer.text
    # Somebody else's monitor is silently none.
    assert save(other_visitor, "mine", "Mine", shown).status == 303
    assert "shows no monitor yet" in other_visitor.ask("/status/mine").text
    for slug, title in (("A", "x"), ("shop/x", "x"), ("good", "")):
        assert save(other_visitor, slug, title).status == 400


def test_a_removed_page_is_gone(visitor: Visitor, other_visitor: Visitor, shown: int,
                                centre: Centre) -> None:  # fmt: skip
    ((page_id,),) = centre.execute("SELECT id FROM vantage.status_pages WHERE slug = 'shop'")
    form = {"csrf": other_visitor.form_token(PAGE), "id": str(page_id)}
    assert other_visitor.ask(f"{PAGE}/remove", "POST", form).status == 404
    form["csrf"] = visitor.form_token(PAGE)
    assert visitor.ask(f"{PAGE}/remove", "POST", form).status == 303
    assert Visitor(centre).ask("/status/shop").status == 404
