"""Adding, changing, pausing and removing monitors in the report centre."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.errors import CheckViolation

from collector.assertion import check_assertions
from tests.integration.dashboard.conftest import Visitor, page_form, send
from tests.support.database import Database
from tests.support.report_centre import Centre
from vantage.url import target_of

USUAL = {"url": "https://new.example/", "interval": "60", "timeout": "10", "where": "everywhere"}


@pytest.fixture
def added(visitor: Visitor, centre: Centre) -> Iterator[int]:
    """A monitor that the visitor added, gone again afterwards."""
    answer = send(visitor, "/monitors/new", **USUAL)
    assert answer.headers["location"].endswith("/first")
    monitor_id = int(answer.headers["location"].split("/")[2])
    yield monitor_id
    centre.execute("DELETE FROM vantage.monitors WHERE id = %(id)s", id=monitor_id)


def test_a_new_monitor_is_probed_at_once_from_everywhere(
    visitor: Visitor, centre: Centre, added: int
) -> None:
    [found] = centre.execute(
        "SELECT name, url, is_everywhere, (SELECT count(*) FROM vantage.monitor_locations"
        " WHERE monitor_id = id), (SELECT requested_at > now() - INTERVAL '1 min'"
        " FROM vantage.run_requests WHERE monitor_id = id)"
        " FROM vantage.monitors WHERE id = %(id)s",
        id=added,
    )
    assert found == ("new.example", "https://new.example/", True, 5, True)
    assert "Probing new.example" in visitor.ask(f"/m/{added}/first").text
    centre.new_result("new.example", "fra", 40_000)
    assert f"/m/{added}/r/" in visitor.ask(f"/m/{added}/first").headers["location"]
    # The other locations have none yet.
    assert "Singapore without results" in visitor.ask(f"/m/{added}").text


def test_an_address_without_a_scheme_is_https(visitor: Visitor, centre: Centre) -> None:
    send(visitor, "/monitors/new", url="plain.example")
    [found] = centre.execute("DELETE FROM vantage.monitors WHERE name = 'plain.example'"
                             " RETURNING url, interval_s, timeout_us")  # fmt: skip
    assert found == ("https://plain.example", 60, 10_000_000)


def test_a_first_address_that_cannot_be_watched_is_asked_for_again_with_what_is_usual(
    visitor: Visitor,
) -> None:
    """The form of a first address has but one field; the page that follows has all of them."""
    answer = send(visitor, "/monitors/new", "/monitors/new", url="gopher://example.com/")
    assert answer.status == 400
    for usual in ('value="60" selected', 'name="timeout" inputmode="decimal" required value="10"'):
        assert usual in answer.text
    assert "more than a form can show" not in answer.text
    assert '<details class="fold" open' not in answer.text


def test_a_monitor_is_tagged(visitor: Visitor, centre: Centre, added: int) -> None:
    form = {**USUAL, "name": "new.example"}
    send(visitor, f"/m/{added}/edit", tags=" Shop, payment,, shop,two words ", **form)
    tagged = "SELECT tags FROM vantage.monitors WHERE id = %(id)s"
    assert centre.execute(tagged, id=added) == [(["payment", "shop", "two words"],)]
    assert 'value="payment, shop, two words"' in visitor.ask(f"/m/{added}/edit").text
    assert "new.example" in visitor.ask("/?tag=two+words").text
    assert "new.example" not in visitor.ask("/?tag=api").text
    refused = send(visitor, f"/m/{added}/edit", tags="<b>", **form)
    assert refused.status == 400
    assert "“&lt;b&gt;” is no tag" in refused.text
    many = ",".join(f"t{n}" for n in range(21))
    assert "may have 20 tags, not 21" in send(visitor, f"/m/{added}/edit", tags=many, **form).text
    assert centre.execute(tagged, id=added) == [(["payment", "shop", "two words"],)]


def test_a_monitor_is_changed(visitor: Visitor, centre: Centre, added: int) -> None:
    with psycopg.connect(centre.database.url(), autocommit=True) as listener:
        listener.execute("LISTEN vantage_assignments")
        form = {**USUAL, "name": "Newer", "interval": "300", "timeout": "2.5", "slow": "800"}
        visitor_form = {**form, "where": "chosen", "location": "sin"}
        assert send(visitor, f"/m/{added}/edit", **visitor_form).status == 303
        assert next(listener.notifies(timeout=60), None) is not None
    [found] = centre.execute(
        "SELECT name, interval_s, timeout_us, slow_us, is_everywhere, ARRAY(SELECT location FROM"
        " vantage.monitor_locations WHERE monitor_id = id) FROM vantage.monitors WHERE id = %(id)s",
        id=added,
    )
    assert found == ("Newer", 300, 2_500_000, 800_000, False, ["sin"])
    text = visitor.ask(f"/m/{added}/edit").text
    assert 'value="2.5"' in text
    assert 'value="sin" checked' in text


def test_a_whole_page_is_watched_as_one(visitor: Visitor, centre: Centre, added: int) -> None:
    path, form = f"/m/{added}/edit", {**USUAL, "name": "Shop"}
    kind = "SELECT kind FROM vantage.monitors WHERE id = %(id)s"
    assert ", the whole page," not in visitor.ask(f"/m/{added}").text
    assert send(visitor, path, **form, whole="yes").status == 303
    assert centre.execute(kind, id=added) == [("page",)]
    assert ", the whole page," in visitor.ask(f"/m/{added}").text
    assert 'name="whole" value="yes" checked' in visitor.ask(path).text
    assert send(visitor, path, **form).status == 303
    assert centre.execute(kind, id=added) == [("request",)]
    centre.execute("UPDATE vantage.monitors SET method = 'HEAD' WHERE id = %(id)s", id=added)
    assert "is fetched with GET" in send(visitor, path, **form, whole="yes").text
    assert centre.execute(kind, id=added) == [("request",)]


ASKED = {
    "method": "PUT", "redirects": "0", "ip": "both", "http": "2", "insecure": "yes",
    "headers": "Accept: a/b\r\n\r\nX-Tenant: 7", "body": "one\r\ntwo",
    "status": "200-299, 304", "contains": "Add to basket\r\n<b>", "matching": "in stock: [0-9]+",
    "json": "$.a['b=c'].d=ok\r\n$.n = 3", "expect_headers": "Server\r\nAge: 0\r\nVia ~ ^1",
    "min_bytes": "10", "max_bytes": "900", "cert_days": "14",
    "limits": "total=1.5s:down\r\nwait=300ms",
    "final_url": "https://new.example/b", "network": "192.0.2.0/24", "version": "2",
}  # fmt: skip
STORED = (
    "SELECT method, headers, convert_from(body, 'UTF8'), is_paired, http_version, is_insecure,"
    " max_redirects, assertions FROM vantage.monitors WHERE id = %(id)s"
)


def test_what_is_asked_and_expected_is_stored_and_shown_again(
    visitor: Visitor, centre: Centre, added: int
) -> None:
    path, form = f"/m/{added}/edit", {**USUAL, "name": "Shop"}
    assert "GET https://new.example/" in visitor.ask(f"/m/{added}").text
    assert send(visitor, path, **form, **ASKED).status == 303
    assert "PUT https://new.example/" in visitor.ask(f"/m/{added}").text
    headers = [{"name": "Accept", "value": "a/b"}, {"name": "X-Tenant", "value": "7"}]
    [(*request, assertions)] = centre.execute(STORED, id=added)
    assert request == ["PUT", headers, "one\ntwo", True, "2", True, 0]
    assert {"kind": "json_equals", "name": "$.a['b=c'].d", "expected": '"ok"'} in assertions
    assert {"kind": "limit", "name": "total", "at_most": 1_500_000} in assertions
    assert {"kind": "cert_days", "at_least": 14, "degrades": True} in assertions
    assert len(assertions) == 16
    check_assertions(assertions)
    shown = page_form(visitor.ask(path).text)
    assert shown["limits"] == "total=1500ms:down\nwait=300ms"
    assert send(visitor, path, **shown).status == 303
    [(*again, kept)] = centre.execute(STORED, id=added)
    assert (again, sorted(map(str, kept))) == (request, sorted(map(str, assertions)))
    # A form that does not speak of it leaves it alone.
    assert send(visitor, path, **form).status == 303
    assert centre.execute(STORED, id=added) == [(*again, kept)]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"headers": "Accept"}, "has no colon"),
        ({"headers": "Content-Length: 1"}, "cannot be set; it follows from the request"),
        ({"method": "BREW"}, "no such method"),
        ({"redirects": "51"}, "0 to 50 can be followed"),
        ({"method": "HEAD", "body": "a"}, "a HEAD request has no body"),
        ({"http": "3", "url": "http://a.example"}, "HTTP/3 is spoken over TLS only"),
        ({"ip": "both", "url": "https://192.0.2.7/"}, "has one family"),
        ({"headers": "A: b", "url": "tcp://a.example:1"}, "tcp has no use for headers"),
        ({"insecure": "yes", "url": "tcp://a.example:1"}, "no certificate"),
        ({"body": "a" * 65_537}, "up to 64 KiB"),
        ({"status": "2xx"}, "no set of HTTP statuses"),
        ({"status": "200", "url": "icmp://a.example"}, "no sense for icmp"),
        ({"matching": "(?=a)"}, "is not RE2's"),
        ({"matching": "a{900}b{900}"}, "the limit is 1500"),
        ({"json": "status=ok"}, "write a path"),
        ({"limits": "wait=soon"}, "write total=800ms"),
        ({"limits": "tea=1s"}, "no phase “tea”"),
        ({"cert_days": "soon"}, "Write 14"),
        ({"min_bytes": "-1"}, "no number of bytes"),
        ({"network": "10.0.0.1/8"}, "no network"),
        ({"whole": "yes", "method": "POST"}, "fetched with GET"),
    ],
)
def test_what_no_agent_could_ask_or_judge_is_refused(
    visitor: Visitor, centre: Centre, changed: dict[str, str], complaint: str
) -> None:
    plain = {"method": "GET", "redirects": "10", "status": ""}
    answer = send(visitor, "/monitors/new", **{**USUAL, **plain, **changed})
    assert answer.status == 400
    assert complaint in html.unescape(answer.text)
    assert centre.execute("SELECT FROM vantage.monitors WHERE name ~ '(new|a).example'") == []


def test_what_a_form_cannot_show_stays(visitor: Visitor, centre: Centre, added: int) -> None:
    odd = '[{"kind": "body_contains", "expected": "two\\nlines", "degrades": true}]'
    centre.execute(
        "UPDATE vantage.monitors SET assertions = %(odd)s::jsonb, method = 'POST', body = '\\xff'"
        " WHERE id = %(id)s",
        odd=odd, id=added,
    )  # fmt: skip
    path = f"/m/{added}/edit"
    text = visitor.ask(path).text
    assert "more than a form can show" in text
    assert send(visitor, path, **page_form(text)).status == 303
    stored = "SELECT assertions, body FROM vantage.monitors WHERE id = %(id)s"
    assert centre.execute(stored, id=added) == [(json.loads(odd), b"\xff")]
    # Asked of another kind of server, it would make no sense.
    refused = send(visitor, path, **{**page_form(text), "url": "tcp://a.example:1"})
    assert "tcp has no use for a method" in html.unescape(refused.text)


def test_nothing_is_due_while_a_monitor_rests(visitor: Visitor, centre: Centre, added: int) -> None:
    edit = f"/m/{added}/edit"
    for wanted in ("yes", "yes"):
        assert send(visitor, f"/m/{added}/pause", edit, pause=wanted).status == 303
    # An hour on, as far as the history is concerned.
    due = "SELECT vantage.slots_due(%(id)s, 'fra', now() + INTERVAL '1 h', now() + INTERVAL '2 h')"
    assert centre.execute(due, id=added) == [(0,)]
    assert "Paused" in visitor.ask(f"/m/{added}").text
    assert "Not probed since" in visitor.ask(edit).text
    send(visitor, f"/m/{added}/pause", edit, pause="no")
    assert centre.execute(due, id=added) == [(60,)]


def test_a_removed_monitor_is_gone_and_written_down(
    visitor: Visitor, centre: Centre, added: int
) -> None:
    assert send(visitor, f"/m/{added}/remove", f"/m/{added}/edit").headers["location"] == "/"
    assert visitor.ask(f"/m/{added}").status == visitor.ask(f"/m/{added}/edit").status == 404
    done = [action for (action,) in centre.execute("SELECT action FROM vantage.audit_log")]
    assert {"monitor_added", "monitor_removed"} <= set(done)


def test_others_monitors_are_not_there(
    visitor: Visitor, other_visitor: Visitor, added: int
) -> None:
    token = other_visitor.form_token("/")
    assert other_visitor.ask(f"/m/{added}/edit").status == 404
    for path in ("edit", "pause", "remove"):
        answer = other_visitor.ask(f"/m/{added}/{path}", "POST", {"csrf": token, **USUAL})
        assert answer.status == 404, path
    assert visitor.ask(f"/m/{added}/edit").status == 200


def test_viewers_change_nothing(other_visitor: Visitor, centre: Centre) -> None:
    token = other_visitor.form_token("/")
    own = centre.monitor("Not yours")
    role = "UPDATE vantage.users SET role = %(role)s WHERE email = 'other@example.com'"
    centre.execute(role, role="viewer")
    try:
        assert other_visitor.ask("/monitors/new").status == 403
        assert "Change, pause" not in other_visitor.ask(f"/m/{own}").text
        for path in ("/monitors/new", f"/m/{own}/edit", f"/m/{own}/pause", f"/m/{own}/remove"):
            answer = other_visitor.ask(path, "POST", {"csrf": token, "name": "x", **USUAL})
            assert answer.status == 403, path
    finally:
        centre.execute(role, role="owner")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"url": "https://me:secret@a.example/"}, "holds a user name"),
        ({"url": "gopher://a.example/"}, "do not speak its scheme"),
        ({"url": "https://"}, "names no host"),
        ({"url": "tcp://a.example"}, "names no port"),
        ({"url": "https://a.example:0/"}, "ports lie between"),
        ({"url": "https://a b.example/"}, "white space"),
        ({"interval": "0"}, "The interval is 0 s"),
        ({"interval": "100000"}, "The interval is 100000 s"),
        ({"interval": "often"}, "cannot be “often”"),
        ({"timeout": "0.01"}, "The timeout is 0.01 s"),
        ({"timeout": "1e300"}, "cannot be “1e300”"),
        ({"url": "tcp://a.example:1", "whole": "yes"}, "has an http or https address"),
        ({"slow": "20000"}, "The limit for slowness is 20000 ms"),
        ({"where": "chosen"}, "at least one location"),
        ({"where": "chosen", "location": "mars"}, "no location “mars”"),
    ],
)
def test_what_cannot_be_watched_gets_a_sentence(
    visitor: Visitor, change: dict[str, str], sentence: str
) -> None:
    answer = send(visitor, "/monitors/new", **{**USUAL, **change})
    assert answer.status == 400
    assert sentence in answer.text


URLS = [
    "https://a.example/", "http://a.example", "https://a.example:8443/x?y#z", "https://[::1]/",
    "https://[2001:db8::1]:444/", "https://xn--bcher-kva.example/", "http://10.0.0.1:80/",
    "https://a.example:/", "https://a.example/path:with:colons?q=@", "https://a.example:65535/",
    "https://", "https:///x", "ftp:/x", "a.example", "https://u@a.example/", "https://u:p@a.example/",
    "https://a.example:0/", "https://a.example:00/", "https://a.example:65536/",
    "https://a.example:99999/", "https://a.example:x/", "https://[::1/", "https://a .example/",
    "https://a.example/\n", "https://a.example/" + "x" * 2048, "gopher://a.example/",
    "https://:80/", "javascript:alert(1)",
    "http://192.0.2.1./", "http://2852039166/", "http://0xa9fea9fe/x", "http://127.1", "http://1.2.3.4.5/",
    "http://256.0.0.1/", "http://01.2.3.4/", "tcp://0x7f.1:80", "https://a.0x/", "https://a1/", "http://1.a/",
    "http://192.0.2.1../", "http://1.2.3/", "http://a..example/", "http://-a.example/", "http://a-/",
    "http://exa%6dple.com/", f"http://{'a' * 64}.example/", f"http://{'a.' * 127}a/", "http://a_b.Example./",
    "http://bücher.example/", "http://a!b/", "http://a~b/", "http://192.0.2.1.:80/",
    "tcp://a.example", "tcp://a.example:", "tls://[::1]", "tcp://a.example:5432", "tls://[::1]:1",
    "icmp://a.example", "icmp://a.example/", "icmp://a.example:7", "icmp://a.example/x",
    "smtp://a.example", "imaps://a.example:1/", "smtp://a.example/?x", "ssh://a.example//",
    "dns://192.0.2.53", "dns://192.0.2.53/a.example", "dns://192.0.2.53:5353/a.example?type=mx",
    "dns://192.0.2.53/a.example?type=ANY", "dns://192.0.2.53/a.example?x=A", "dns://192.0.2.53/a/b",
]  # fmt: skip


def test_pages_take_what_agents_can_take_apart_and_nothing_else(database: Database) -> None:
    def by_agent(url: str) -> bool:
        try:
            target_of(url)
        except ValueError:
            return False
        return True

    def by_page(connection: psycopg.Connection[tuple[object, ...]], url: str) -> bool:
        [(problem,)] = connection.execute("SELECT vantage.url_problem(%s)", [url])
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(
                    "INSERT INTO vantage.monitors (account_id, name, url) VALUES (1, 'x', %s)",
                    [url],
                )
        except CheckViolation:
            return False
        return problem is None

    with psycopg.connect(database.url()) as connection:
        connection.execute("INSERT INTO vantage.accounts (name) VALUES ('x')")
        judged = {url: (by_agent(url), by_page(connection, url)) for url in URLS}
    assert [url for url, (agent, page) in judged.items() if agent != page] == []
    assert sum(agent for agent, _ in judged.values()) == 24
