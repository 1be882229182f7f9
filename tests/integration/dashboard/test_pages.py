"""What pages hold."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.integration.dashboard.conftest import Visitor
from tests.support import seed
from tests.support.report_centre import Centre

CHECKOUT = "Checkout · cart page"


def test_availability_counts_neither_maintenance_nor_failures_of_a_busy_agent(
    visitor: Visitor, centre: Centre
) -> None:
    monitor_id = centre.monitor(CHECKOUT)
    to_at = datetime.now(UTC) - timedelta(minutes=10)
    from_at = to_at - timedelta(hours=1)

    def shown(query: str, **span: datetime) -> None:
        ((passed, checks),) = centre.execute(
            """
            SELECT
                count(*) FILTER (WHERE outcome <> 'down'),
                count(*) FILTER (WHERE NOT (outcome = 'down' AND suspect))
            FROM vantage.results
            WHERE monitor_id = %(monitor_id)s
                AND slot_at >= date_trunc('second', %(from_at)s)
                AND slot_at < date_trunc('second', %(to_at)s)
                AND NOT EXISTS (
                    SELECT FROM vantage.maintenance AS planned
                    WHERE slot_at >= planned.from_at AND slot_at < planned.to_at)
            """,
            monitor_id=monitor_id,
            **span,
        )
        assert (
            f"{passed:,} of {checks:,} checks passed"
            in visitor.ask(f"/m/{monitor_id}?{query}").text
        )

    busy = """
        UPDATE vantage.results SET suspect = {} WHERE monitor_id = %(monitor_id)s
            AND outcome = 'down' AND slot_at BETWEEN %(from_at)s AND %(to_at)s
    """
    values = {"monitor_id": monitor_id, "from_at": from_at, "to_at": to_at}
    rebuild = (
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT vantage.rebuild_rollups(now() - INTERVAL"
        " '3 h', now()); COMMIT"
    )
    span = f"from={from_at:%Y-%m-%dT%H:%M:%SZ}&to={to_at:%Y-%m-%dT%H:%M:%SZ}"
    shown(span, from_at=from_at, to_at=to_at)
    centre.execute(busy.format("true"), **values)
    centre.execute(rebuild)
    try:
        for planned in (False, True):
            if planned:
                centre.execute(
                    "INSERT INTO vantage.maintenance (account_id, from_at, to_at)"
                    " SELECT account_id, %(from_at)s, %(to_at)s FROM vantage.monitors"
                    " WHERE id = %(monitor_id)s",
                    **{**values, "from_at": to_at - timedelta(minutes=9)},
                )
            shown(span, from_at=from_at, to_at=to_at)
            for query in ("range=24h", "range=7d", "range=90d"):
                shown(query, from_at=from_at - timedelta(days=1), to_at=datetime.now(UTC))
    finally:
        centre.execute("DELETE FROM vantage.maintenance")
        centre.execute(busy.format("false"), **values)
        centre.execute(rebuild)


def test_missing_results_are_counted(visitor: Visitor, centre: Centre) -> None:
    monitor_id = centre.monitor("Sign-in API")
    gone = centre.execute(
        """
        DELETE FROM vantage.results WHERE monitor_id = %(monitor_id)s AND location = 'fra'
            AND slot_at BETWEEN now() - INTERVAL '50 min' AND now() - INTERVAL '40 min'
        RETURNING slot_at
        """,
        monitor_id=monitor_id,
    )
    assert f"{len(gone)} missing" in visitor.ask(f"/m/{monitor_id}?range=1h").text
    answer = visitor.ask(f"/m/{monitor_id}/series.json?range=1h&loc=fra").body
    assert 0 in json.loads(answer)["locations"][0]["checks"]


def test_nobody_sees_what_is_somebody_elses(
    visitor: Visitor, other_visitor: Visitor, centre: Centre
) -> None:
    monitor_id = centre.monitor("Home page")
    text = visitor.ask(f"/m/{monitor_id}").text
    result = re.search(rf"/m/{monitor_id}/r/[^\"]+", text)
    assert result
    assert visitor.ask(result[0]).status == 200
    for path in (f"/m/{monitor_id}", f"/m/{monitor_id}/series.json", result[0]):
        assert other_visitor.ask(path).status == 404


def test_certificates_are_shown_with_what_was_before_them(visitor: Visitor, centre: Centre) -> None:
    monitor_id = centre.monitor("Checkout · cart page")
    page = visitor.ask(f"/m/{monitor_id}").text
    shown = page[page.index('id="certificates"') :]
    assert shown.count("<details>") == 2
    assert shown.index("TLS 1.3 at ") < shown.index("TLS 1.2 at ")
    result = re.search(rf"/m/{monitor_id}/r/[^\"]+/fra", page)
    assert result
    text = visitor.ask(result[0]).text
    text = text[text.index('id="certificate-title"') :]
    for fact in (
        "Example Issuing CA 3",
        "TLS_<wbr>AES_<wbr>256_<wbr>GCM_<wbr>SHA384",
        "EC secp256r1",
        "www.shop.",
    ):
        assert fact in text
    assert "ECDHE" not in text


@pytest.mark.parametrize(
    ("url", "columns", "values", "shown", "hidden"),
    [
        (
            "icmp://router.example",
            "wait_us, pings_sent, pings_received, ping_min_us, ping_max_us, total_us, target_port",
            "21000, 5, 4, 19000, 23500, 21000, 0",
            [
                "4 of 5 came back",
                "19.0\N{NO-BREAK SPACE}ms",
                "23.5\N{NO-BREAK SPACE}ms",
                "192.0.2.9<",
            ],
            ["Status", "Headers", "HTTP/", "TCP connect", "TLS", "Certificate", "first byte"],
        ),
        (
            "tcp://db.example:5432",
            "connect_us, rtt_us, total_us, target_port",
            "21000, 20000, 21000, 5432",
            ["TCP connect took", "192.0.2.9:5432"],
            ["Status", "Headers", "HTTP/", "not reached", "not needed", "Pings"],
        ),
        (
            "imaps://mail.example",
            "connect_us, tls_us, wait_us, receive_us, answer, total_us, target_port",
            "1000, 2000, 3000, 0, '* OK <ready>', 6000, 993",
            ["* OK &lt;ready&gt;", "Certificate"],
            ["Status", "Headers", "HTTP/"],
        ),
    ],
)
def test_other_schemes_have_no_status(
    visitor: Visitor,
    centre: Centre,
    url: str,
    columns: str,
    values: str,
    shown: list[str],
    hidden: list[str],
) -> None:
    ((monitor_id, at),) = centre.execute(
        "WITH added AS (INSERT INTO vantage.monitors"
        " (account_id, name, url, interval_s, timeout_us)"
        " SELECT account_id, %(url)s, %(url)s, 60, 10000000 FROM vantage.monitors LIMIT 1"
        " RETURNING id), placed AS (INSERT INTO vantage.monitor_locations"
        " SELECT id, 'fra' FROM added)"
        " INSERT INTO vantage.results (slot_at, started_at, body_bytes, monitor_id,"
        " redirect_us, delay_us, lag_us, header_bytes, outcome, agent_id, redirects, suspect,"
        f" location, target_ip, {columns}) SELECT now(), now(), 0, id, 0, 0, 0, 0, 'up',"
        f" md5('a')::uuid, 0, false, 'fra', '192.0.2.9', {values} FROM added"
        " RETURNING monitor_id, slot_at",
        url=url,
    )
    try:
        slot = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        text = visitor.ask(f"/m/{monitor_id}/r/{slot}/fra").text
        text = text[text.index('id="waterfall-title"') :]
        for words in shown:
            assert words in text
        for words in hidden:
            assert words not in text
        page = visitor.ask(f"/m/{monitor_id}").text
        assert url in page
        assert f"GET {url}" not in page
    finally:
        centre.execute("DELETE FROM vantage.results WHERE monitor_id = %(id)s", id=monitor_id)
        centre.execute("DELETE FROM vantage.monitors WHERE id = %(id)s", id=monitor_id)


def test_the_dashboards_role_reads_views_only(centre: Centre) -> None:
    with psycopg.connect(
        centre.database.url(role="vantage_dashboard"), autocommit=True
    ) as connection:
        for table in ("results", "certificates", "run_requests", "users", "sessions", "accounts"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT FROM vantage.{table}".encode())
        for view in ("results", "exchanges", "certificates", "monitors", "latest", "locations"):
            row = connection.execute(f"SELECT count(*) FROM report.{view}".encode()).fetchone()
            assert row == (0,), view


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("range=2y", "is no range"),
        ("from=yesterday", "is no date and time"),
        ("from=2025-01-01&to=2026-06-01", "up to 366 days"),
        ("from=2026-01-02&to=2026-01-01", "before it ends"),
        ("from=9999-12-31T23:59:59-23:59", "is no date and time"),
    ],
)
def test_an_unusable_range_gets_a_sentence(visitor: Visitor, query: str, sentence: str) -> None:
    answer = visitor.ask(f"/m/1?{query}")
    assert answer.status == 400
    assert sentence in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/m/99999999999999999999",
        "/m/1/r/yesterday/fra",
        "/m/1/r/2020-01-01T00:00:00Z/fra",
        "/m/1/r/2020-01-01T00:00:00Z/%00",
        "/m/1/other.json",
        "/m/1/series.xml",
        "/m/1/heat.svg",
        "/no-such-page",
    ],
)
def test_what_is_not_there_is_not_found(visitor: Visitor, path: str) -> None:
    found = visitor.ask(path)
    assert found.status == 404
    assert '<a href="/incidents"' in found.text, "and there is a way on"


def test_strangers_learn_nothing_from_what_is_not_there(centre: Centre) -> None:
    found = Visitor(centre).ask("/no-such-page")
    assert found.status == 404
    assert "/incidents" not in found.text


def test_an_empty_range_leads_to_the_last_result(visitor: Visitor, centre: Centre) -> None:
    monitor_id = centre.monitor("Home page")
    text = visitor.ask(f"/m/{monitor_id}?from=2026-01-01T00:00Z&to=2026-01-02T00:00Z").text
    assert "No results in this range" in text
    assert "All locations in one" not in text
    link = re.search(r'href="(\?from=[^"]+)">show it', text)
    assert link
    shown = visitor.ask(f"/m/{monitor_id}{link[1].replace('&amp;', '&')}").text
    assert "checks passed" in shown
    assert "All locations in one" in shown


@pytest.mark.parametrize("minutes", [(170, 0), (150, 60), (150, 149)])
def test_the_latest_results_are_the_newest_of_the_range(
    visitor: Visitor, centre: Centre, minutes: tuple[int, int]
) -> None:
    monitor_id = centre.monitor("Home page")
    now = datetime.now(UTC)
    from_at, to_at = (now - timedelta(minutes=each) for each in minutes)
    found = centre.execute(
        "SELECT slot_at FROM vantage.results WHERE monitor_id = %(id)s AND slot_at >= %(from_at)s"
        " AND slot_at < %(to_at)s ORDER BY slot_at DESC, location LIMIT 12",
        id=monitor_id, from_at=from_at.replace(microsecond=0), to_at=to_at.replace(microsecond=0),
    )  # fmt: skip
    query = f"from={from_at:%Y-%m-%dT%H:%M:%SZ}&to={to_at:%Y-%m-%dT%H:%M:%SZ}"
    text = visitor.ask(f"/m/{monitor_id}?{query}").text
    shown = [datetime.fromisoformat(each) for each in re.findall(r'id="at-([^"]+Z)-', text)]
    assert shown == [slot_at for (slot_at,) in found]
    assert len(shown) == (12 if minutes[0] - minutes[1] > 1 else 5)


def test_the_latest_results_are_found_however_far_apart_they_lie(
    visitor: Visitor, centre: Centre
) -> None:
    """Of a monitor that is due every five minutes a result in seven hours."""
    monitor_id = centre.monitor("Health check")
    ((columns,),) = centre.execute(
        "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attname <> 'slot_at'"
        " AND attnum > 0 AND NOT attisdropped AND attrelid = 'vantage.results'::regclass"
    )
    from_at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)
    slots = [from_at + n * timedelta(hours=7) for n in range(20)]
    values = {"id": monitor_id, "slots": slots}
    centre.execute(
        f"INSERT INTO vantage.results (slot_at, {columns}) SELECT slot_at, {columns} FROM"
        f" (SELECT {columns} FROM vantage.results WHERE monitor_id = %(id)s LIMIT 1) AS one,"
        " unnest(%(slots)s) AS slot_at",
        **values,
    )
    try:
        span = f"from={from_at:%Y-%m-%dT%H:%M:%SZ}&to={from_at + timedelta(7):%Y-%m-%dT%H:%M:%SZ}"
        text = visitor.ask(f"/m/{monitor_id}?{span}").text
    finally:
        centre.execute(
            "DELETE FROM vantage.results WHERE monitor_id = %(id)s AND slot_at = ANY(%(slots)s)",
            **values,
        )
    shown = [datetime.fromisoformat(each) for each in re.findall(r'id="at-([^"]+Z)-', text)]
    assert shown == slots[:-13:-1]


def test_first_run(centre: Centre) -> None:
    centre.execute(
        """
        WITH fresh AS (INSERT INTO vantage.accounts (name) VALUES ('Fresh') RETURNING id)
        INSERT INTO vantage.users (account_id, email, name, password_hash)
        SELECT fresh.id, 'fresh@example.com', 'Fresh', users.password_hash
        FROM fresh, vantage.users WHERE email = 'demo@example.com'
        """
    )
    visitor = Visitor(centre)
    visitor.sign_in("fresh@example.com")
    text = visitor.ask("/").text
    assert "Nothing is watched yet" in text
    assert "Address to watch" in text
    centre.execute(
        """
        WITH fresh AS (
            INSERT INTO vantage.monitors (account_id, name, url)
            SELECT id, 'First', 'https://first.example/' FROM vantage.accounts WHERE name = 'Fresh'
            RETURNING id)
        INSERT INTO vantage.monitor_locations SELECT id, 'fra' FROM fresh
        """
    )
    assert "Waiting for the first results…" in visitor.ask("/").text
    text = visitor.ask(f"/m/{centre.monitor('First')}").text
    assert "Waiting for the first result…" in text
    assert "takes up to 60 s" in text
    assert "missing" not in text


def test_who_looks_at_the_same_time_sees_their_own(
    visitor: Visitor, other_visitor: Visitor, centre: Centre
) -> None:
    """The account's list is made once for all its people; nobody else's, and nothing personal."""
    colleague = Visitor(centre)
    centre.execute(
        "INSERT INTO vantage.users (account_id, email, name, password_hash, role)"
        " SELECT account_id, 'viewer@example.com', 'Vic Viewer', password_hash, 'viewer'"
        " FROM vantage.users WHERE email = 'demo@example.com'"
    )
    colleague.sign_in_and_on(email="viewer@example.com")
    with ThreadPoolExecutor(30) as pool:
        texts = list(
            pool.map(lambda who: who.ask("/").text, [visitor, other_visitor, colleague] * 10)
        )
    own, others, colleagues = texts[::3], texts[1::3], texts[2::3]
    for text in own + colleagues:
        assert ("Home page" in text, "Not yours" in text) == (True, False)
    for text in others:
        assert ("Home page" in text, "Not yours" in text) == (False, True)
    assert all("Vic Viewer" in text and "Watch an address" not in text for text in colleagues)
    assert all("Vic Viewer" not in text and "Watch an address" in text for text in own)


def test_operators_see_every_agent_and_others_none(visitor: Visitor, centre: Centre) -> None:
    other = Visitor(centre)
    other.sign_in(seed.OTHER_EMAIL)
    assert "/locations" not in other.ask("/").text
    assert other.ask("/locations").status == 404
    path = re.search(r'/m/1/r/[^"]+/fra', visitor.ask("/m/1").text)
    assert path
    ((agent_id,),) = centre.execute("SELECT id::text FROM vantage.agents WHERE location = 'fra'")
    told = f'<a href="/locations#agent-{agent_id}">fra-1</a> at Frankfurt'
    assert told in visitor.ask(path[0]).text
    centre.execute(
        "INSERT INTO vantage.gaps (from_slot_at, to_slot_at, monitor_id, slots, agent_id, location,"
        " reason) SELECT now() - INTERVAL '1 hour', now(), 1, 1234, id, location, 'overloaded'"
        " FROM vantage.agents WHERE location = 'syd'"
    )
    centre.execute(
        "UPDATE vantage.agents SET"
        " last_seen_at = now() - CASE location WHEN 'syd' THEN INTERVAL '1 hour' ELSE '0' END,"
        " is_clock_off = location = 'gru', clock_offset_us = -2345678, clock_uncertainty_us = 900"
    )
    centre.execute(
        "INSERT INTO vantage.location_troubles (location, kind, began_at, ended_at, detail)"
        " SELECT 'syd', 'silent', now() - INTERVAL '1 hour', NULL, 'No agent there answers.'"
        " UNION ALL SELECT 'fra', 'failing', now() - age - INTERVAL '12 min', now() - age,"
        " '9 monitors failed from here only, ' || age"
        " FROM unnest(ARRAY[INTERVAL '2 days', '9 days']) AS age"
    )
    try:
        assert 'href="/locations"' in visitor.ask("/").text
        text = visitor.ask("/locations").text
        assert "No agent there answers." in text
        assert "9 monitors failed from here only, 2 days" in text
        assert ", 12 min" in text
        assert "here only, 9 days" not in text
        assert "4 of 5 agents are online" in text
        assert f'id="agent-{agent_id}"' in text
        rows = {row.split("<span")[0]: row for row in text.split('scope="rowgroup"')[1:]}
        (sydney,) = (row for name, row in rows.items() if "Sydney" in name)
        assert "Silent" in sydney
        assert "1,234" in sydney
        (sao_paulo,) = (row for name, row in rows.items() if "São Paulo" in name)
        assert "Clock off" in sao_paulo
        assert "\N{MINUS SIGN}2,345.7 ± 0.9\N{NO-BREAK SPACE}ms" in sao_paulo
    finally:
        centre.execute("DELETE FROM vantage.gaps")
        centre.execute("DELETE FROM vantage.location_troubles")


def test_a_location_in_trouble_makes_no_monitor_red_but_is_named(
    visitor: Visitor, stranger: Visitor, centre: Centre
) -> None:
    """The pages say what the judge does: red is what has an incident."""
    monitor_id = centre.monitor(CHECKOUT)
    slug = centre.new_status_page(CHECKOUT)
    line = re.compile(
        r'<li id="monitor-\d+" class="(\w+)">\s*<div class="what">\s*<h2><a href="/m/(\d+)'
    )
    centre.execute(
        "INSERT INTO vantage.location_troubles (location, kind, began_at, detail)"
        " VALUES ('sin', 'failing', now(), 'Most fail there.')"
    )
    try:
        text = visitor.ask("/").text
        assert "1 of 6 monitors has a problem" in text, "which is another one"
        assert f"{monitor_id} up" in {f"{number} {state}" for state, number in line.findall(text)}
        words = "failing only from Singapore, which has trouble itself"
        assert f"Up from 4 of 5 locations; {words}" in text
        assert 'class="state down"' not in text
        assert "failed, no incident" in text
        assert '<path class="down"' not in text
        text = visitor.ask(f"/m/{monitor_id}").text
        assert '<section class="card now up"' in text
        assert (
            "Singapore has trouble itself: most of what is watched from there fails there" in text
        )
        assert "No incident: it takes" not in text, "its own failures are no reason for one"
        assert "Everything is up" in stranger.ask(f"/status/{slug}").text
        assert ">Up<" in stranger.ask(f"/status/{slug}/{monitor_id}.svg").text
        centre.new_incident(CHECKOUT, "sin", "fra", is_open=True)
        centre.execute(
            "UPDATE vantage.verdicts SET state = 'down' WHERE monitor_id = %(id)s", id=monitor_id
        )
        text = visitor.ask("/").text
        assert "2 of 6 monitors have a problem" in text
        assert f"{monitor_id} down" in {f"{number} {state}" for state, number in line.findall(text)}
        assert '<path class="down"' in text
        assert '<section class="card now down"' in visitor.ask(f"/m/{monitor_id}").text
    finally:
        centre.execute("UPDATE vantage.verdicts SET state = 'up' WHERE state = 'down'")
        for table in ("location_troubles", "incidents", "status_pages"):
            centre.execute(f"DELETE FROM vantage.{table}")


def test_both_families_stand_side_by_side(visitor: Visitor, centre: Centre) -> None:
    monitor_id = centre.monitor("Home page")
    ((at,),) = centre.execute(
        "SELECT max(slot_at) FROM vantage.results"
        " WHERE monitor_id = %(id)s AND location = 'fra' AND outcome = 'up'",
        id=monitor_id,
    )
    slot = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    path = f"/m/{monitor_id}/r/{slot}/fra"
    assert "IPv4 and IPv6" not in visitor.ask(path).text
    key = "WHERE monitor_id = %(id)s AND slot_at = %(at)s"
    centre.execute(
        "INSERT INTO vantage.exchanges (slot_at, body_bytes, monitor_id, total_us, dns_us,"
        " connect_us, header_bytes, target_port, hop, location, url, target_ip, role, start_us,"
        " outcome, failure, detail) VALUES (%(at)s, 0, %(id)s, 5000, 2000, 3000, 0, 443, 1, 'fra',"
        " 'https://www.example.com/', '2001:db8::7', 'pair', 0, 'down', 'connect_refused', 'no')",
        id=monitor_id,
        at=at,
    )
    try:
        text = visitor.ask(path).text
    finally:
        centre.execute(
            f"DELETE FROM vantage.exchanges {key} AND role = 'pair'", id=monitor_id, at=at
        )
    table = text[text.index('id="families-title"') : text.index('id="response-title"')]
    assert table.index("IPv4</th>") < table.index("IPv6</th>")
    assert "Connection refused" in table or "refused" in table
    assert "2001:db8::7" in table
    assert "5.0\N{NO-BREAK SPACE}ms" in table
    assert "This result is about IPv4" in table
