"""Secrets and terms of monitors, set in the report centre: sealed there, opened elsewhere."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from psycopg.rows import dict_row

from collector import db
from collector.assigned import monitor
from collector.errors import CollectorError
from collector.keyring import Keyring
from collector.request import Request
from collector.secret import Secrets
from collector.terms import Terms, check_terms, name_server_of
from tests.integration.dashboard.conftest import Visitor, page_form, send
from tests.support.certificates import Leaf, TestAuthority
from tests.support.database import Database
from tests.support.report_centre import Centre
from vantage.v1 import monitor_pb2

URL = "https://guarded.example/"
USUAL = {"url": URL, "name": "Guarded", "interval": "60", "timeout": "10", "where": "everywhere"}
# As the page has them where nothing is said.
PLAIN = {
    **dict.fromkeys(("client_certificate", "authority", "proxy", "connect_to", "name_server"), ""),
    "phase_timeouts": "",
}
HIDDEN = "hidden-from-everybody"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def me(authority: TestAuthority) -> Leaf:
    return authority.issue("me.example", is_for_clients=True)


@pytest.fixture
def guarded(visitor: Visitor, centre: Centre) -> Iterator[int]:
    """A monitor of the visitor's account, gone again afterwards."""
    answer = send(visitor, "/monitors/new", **USUAL)
    yield int(answer.headers["location"].split("/")[2])
    centre.execute("DELETE FROM vantage.monitors WHERE url ~ 'guarded.example'")


def sent(centre: Centre, keyring: Keyring, monitor_id: int) -> monitor_pb2.Request:
    """What an agent is told of a monitor."""
    with psycopg.connect(centre.database.url(), row_factory=dict_row) as connection:
        row = connection.execute(
            db.queries("delivery")["assigned_monitors"], {"monitor_ids": [monitor_id]}
        ).fetchone()
    assert row is not None
    return monitor(row, keyring).request


def headers(request: monitor_pb2.Request) -> dict[str, str]:
    return {each.name: each.value for each in request.secret_headers}


def test_what_is_secret_goes_in_and_never_comes_out(
    visitor: Visitor, centre: Centre, keyring: Keyring, guarded: int, me: Leaf
) -> None:
    path = f"/m/{guarded}/edit"
    given = {
        **USUAL, **PLAIN,
        "auth": "basic", "auth_user": "ann", "auth_secret": HIDDEN,
        "secret_name": "X-Api-Key", "secret_value": f"{HIDDEN}-too",
        "client_certificate": me.certificate.read_text().replace("\n", "\r\n"),
        "client_key": me.key.read_text().replace("\n", "\r\n"),
        "proxy": "socks5h://proxy.example:1080", "proxy_user": "pat", "proxy_secret": HIDDEN,
        "name_server": "2001:DB8::53", "phase_timeouts": "wait=2s\r\nconnect=500ms",
    }  # fmt: skip
    assert send(visitor, path, **given).status == 303
    request = sent(centre, keyring, guarded)
    assert headers(request) == {
        "Authorization": "Basic YW5uOmhpZGRlbi1mcm9tLWV2ZXJ5Ym9keQ==",
        "X-Api-Key": f"{HIDDEN}-too",
    }
    assert request.client_key == me.key.read_text().strip()
    assert request.client_certificate == me.certificate.read_text().strip()
    assert (request.proxy_username, request.proxy_password) == ("pat", HIDDEN)
    assert (request.phase_timeouts.wait_us, request.phase_timeouts.connect_us) == (
        2_000_000, 500_000)  # fmt: skip
    text = visitor.ask(path).text
    for secret in (HIDDEN, "YW5uOm", "PRIVATE KEY-----\n", '"ann"', '"pat"'):
        assert secret not in text
    assert text.count("leave empty to keep it") == 4
    shown = page_form(text)
    assert (shown["name_server"], shown["phase_timeouts"]) == (
        "[2001:db8::53]:53", "wait=2000ms\nconnect=500ms")  # fmt: skip
    # Sent back as it is shown, everything stays as it was.
    assert send(visitor, path, **shown).status == 303
    assert sent(centre, keyring, guarded) == request
    # One is replaced, whatever the case of its name, one removed; the others stay.
    change = {"secret_name": "x-api-KEY", "secret_value": "other", "forget": "Authorization"}
    assert send(visitor, path, **{**shown, **change}).status == 303
    changed = sent(centre, keyring, guarded)
    assert headers(changed) == {"x-api-KEY": "other"}
    assert changed.client_key == request.client_key
    told = centre.execute(
        "SELECT action, detail FROM vantage.audit_log WHERE action ~ 'secret' ORDER BY id DESC"
    )
    assert told[:2] in (
        [("secret_set", "x-api-KEY of Guarded"), ("secret_removed", "Authorization of Guarded")],
        [("secret_removed", "Authorization of Guarded"), ("secret_set", "x-api-KEY of Guarded")],
    )
    assert HIDDEN not in str(centre.execute("SELECT * FROM vantage.audit_log"))
    assert HIDDEN not in centre.program.said()


def test_a_monitor_that_leads_elsewhere_takes_no_secret_along(
    visitor: Visitor, centre: Centre, keyring: Keyring, guarded: int, authority: TestAuthority
) -> None:
    path, token = f"/m/{guarded}/edit", {"auth": "bearer", "auth_secret": HIDDEN}
    assert send(visitor, path, **USUAL, **PLAIN, **token).status == 303
    shown = page_form(visitor.ask(path).text)
    moves = (
        {"url": "https://guarded.example:8443/"},
        {"url": "http://guarded.example/"},
        {"insecure": "yes"},
        {"proxy": "http://proxy.example:3128"},
        {"connect_to": "192.0.2.7"},
        {"name_server": "192.0.2.53"},
        {"authority": authority.path.read_text()},
    )
    for move in moves:
        refused = send(visitor, path, **{**shown, **move})
        assert (refused.status, "its secrets (Authorization) do not go along" in refused.text) == (
            400, True), move  # fmt: skip
        assert headers(sent(centre, keyring, guarded)) == {"Authorization": f"Bearer {HIDDEN}"}
    assert send(visitor, path, **{**shown, "url": f"{URL}elsewhere"}).status == 303
    # Given anew, or removed, in the same step.
    anew = {"auth": "bearer", "auth_secret": "another"}
    assert send(visitor, path, **{**shown, **moves[0], **moves[-1], **anew}).status == 303
    assert headers(sent(centre, keyring, guarded)) == {"Authorization": "Bearer another"}
    away = {**page_form(visitor.ask(path).text), "forget": "Authorization", "authority": ""}
    assert send(visitor, path, **away).status == 303
    assert headers(sent(centre, keyring, guarded)) == {}


def test_a_sealed_secret_opens_for_no_other_monitor(
    visitor: Visitor, centre: Centre, keyring: Keyring, guarded: int
) -> None:
    key = {"secret_name": "X-Key", "secret_value": HIDDEN}
    send(visitor, f"/m/{guarded}/edit", **USUAL, **PLAIN, **key)
    answer = send(visitor, "/monitors/new", **USUAL, **PLAIN, **key)
    second = int(answer.headers["location"].split("/")[2])
    assert headers(sent(centre, keyring, second)) == {"X-Key": HIDDEN}
    centre.execute(
        "UPDATE vantage.secrets SET sealed = (SELECT sealed FROM vantage.secrets"
        " WHERE monitor_id = %(from)s) WHERE monitor_id = %(to)s",
        **{"from": guarded, "to": second},
    )
    with pytest.raises(CollectorError, match="does not open"):
        sent(centre, keyring, second)


def test_another_accounts_secrets_are_not_there(
    visitor: Visitor, other_visitor: Visitor, centre: Centre, keyring: Keyring, guarded: int
) -> None:
    path, key = f"/m/{guarded}/edit", {"secret_name": "X-Key", "secret_value": HIDDEN}
    send(visitor, path, **USUAL, **PLAIN, **key)
    for form in ({"secret_value": "mine"}, {"secret_value": "", "forget": "X-Key"}):
        assert send(other_visitor, path, "/", **USUAL, **PLAIN, **{**key, **form}).status == 404
    assert headers(sent(centre, keyring, guarded)) == {"X-Key": HIDDEN}


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"auth_secret": HIDDEN}, "user name of the authorization is empty"),
    ({"auth_user": "a:b", "auth_secret": HIDDEN}, "has a colon"),
    ({"auth": "bearer", "auth_secret": f"{HIDDEN}\nx"}, "holds what cannot be sent"),
    ({"secret_value": HIDDEN}, "A secret header has no name"),
    ({"secret_name": "X Y", "secret_value": HIDDEN}, "no header name"),
    ({"secret_name": "Te", "secret_value": HIDDEN}, "follows from the request"),
    ({"secret_name": "A", "secret_value": HIDDEN * 200}, "longer than 4096"),
    ({"auth": "bearer", "auth_secret": "x", "secret_name": "Authorization",
      "secret_value": HIDDEN}, "given twice"),
    ({"client_key": HIDDEN}, "no private key in PEM"),
    ({"client_key": "{key}"}, "has no client certificate"),
    ({"client_key": "{other}", "client_certificate": "{cert}"}, "not the key of"),
    ({"client_key": "{locked}", "client_certificate": "{cert}"}, "openssl pkey"),
    ({"client_certificate": "{cert}"}, "certificate and its key go together"),
    ({"client_certificate": "x", "client_key": "{key}"}, "no certificate in PEM"),
    ({"authority": "-----BEGIN"}, "hold no certificate in PEM"),
    ({"authority": "x" * 65_537}, "longer than 64 KiB"),
    ({"proxy": f"http://me:{HIDDEN}@p.example:1"}, "without a user name"),
    ({"proxy": "ftp://p.example:1"}, "one of http, https, socks5h"),
    ({"proxy": "http://p.example:70000"}, "between 1 and 65535"),
    ({"proxy_user": "a", "proxy_secret": HIDDEN}, "a password for a proxy and no proxy"),
    ({"proxy": "http://p.example:1", "http": "3", "method": "GET", "redirects": "10"},
     "through no proxy"),
    ({"connect_to": "a.example"}, "no address to connect to"),
    ({"connect_to": "192.0.2.0/24"}, "no address to connect to"),
    ({"connect_to": "192.0.2.7", "proxy": "http://p.example:1"}, "no proxy, no name server"),
    ({"name_server": "ns.example"}, "no address of a name server"),
    ({"name_server": "192.0.2.53:0"}, "no address of a name server"),
    ({"url": "https://192.0.2.1/", "name_server": "192.0.2.53"}, "nothing to look up"),
    ({"phase_timeouts": "soon"}, "write connect=500ms"),
    ({"phase_timeouts": "tea=1s"}, "“tea” is no phase"),
    ({"phase_timeouts": "wait=11s"}, "longer than the whole may take"),
    ({"phase_timeouts": "wait=0.1ms"}, "below 1 ms"),
    ({"url": "tcp://guarded.example:1", "proxy": "http://p.example:1"}, "no use for a proxy"),
    ({"url": "icmp://guarded.example", "secret_name": "A", "secret_value": HIDDEN},
     "no use for an authorization"),
    ({"whole": "yes", "phase_timeouts": "wait=1s"}, "without timeouts of phases"),
]  # fmt: skip


def test_what_cannot_be_kept_is_refused_and_nothing_secret_repeated(
    visitor: Visitor, keyring: Keyring, authority: TestAuthority, me: Leaf
) -> None:
    locked = serialization.load_pem_private_key(me.key.read_bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    pems = {
        "{cert}": me.certificate.read_text(),
        "{key}": me.key.read_text(),
        "{other}": authority.issue("other.example").key.read_text(),
        "{locked}": locked.decode(),
    }
    path, secret = "/monitors/new", {"auth_secret", "secret_value", "client_key", "proxy_secret"}
    token = visitor.form_token(path)
    for changed, complaint in REFUSED:
        form = {name: pems.get(value, value) for name, value in changed.items()}
        answer = visitor.ask(path, "POST", {"csrf": token, **USUAL, **PLAIN, **form})
        text = html.unescape(answer.text)
        assert (answer.status, complaint in text) == (400, True), (changed, text)
        # What is no field for secrets is shown again, to be put right.
        assert HIDDEN not in text.replace(form.get("proxy") or "-", ""), changed
        assert "PRIVATE KEY-----\n" not in text, changed
        assert ("has to be typed in again" in text) == bool(set(form) & secret), changed


def test_another_certificate_takes_its_key_with_it(
    visitor: Visitor, keyring: Keyring, guarded: int, me: Leaf, authority: TestAuthority
) -> None:
    path = f"/m/{guarded}/edit"
    pair = {"client_certificate": me.certificate.read_text(), "client_key": me.key.read_text()}
    assert send(visitor, path, **USUAL, **{**PLAIN, **pair}).status == 303
    other = authority.issue("other.example", is_for_clients=True)
    shown = page_form(visitor.ask(path).text)
    for changed, complaint in (
        ({"client_certificate": other.certificate.read_text()}, "takes its key with it"),
        ({"client_key": other.key.read_text()}, "not the key of the client certificate"),
        ({"forget": "client key"}, "go together"),
    ):
        assert complaint in send(visitor, path, **{**shown, **changed}).text
    gone = {**shown, "client_certificate": "", "forget": "client key"}
    assert send(visitor, path, **gone).status == 303


def test_without_a_key_nothing_can_be_sealed_and_the_page_says_what_to_do(
    visitor: Visitor, centre: Centre
) -> None:
    assert centre.execute("SELECT FROM vantage.sealing_keys") == []
    text = visitor.ask("/monitors/new").text
    assert "Secrets cannot be set yet" in text
    assert "vantage secrets new-key" in text
    assert 'name="auth_secret"' not in text
    refused = send(visitor, "/monitors/new", **USUAL, secret_name="X-Key", secret_value=HIDDEN)
    assert "has no key to seal them with" in refused.text
    # What is no secret can be set all the same.
    answer = send(visitor, "/monitors/new", **USUAL, **{**PLAIN, "name_server": "192.0.2.53"})
    assert answer.status == 303
    centre.execute("DELETE FROM vantage.monitors WHERE url ~ 'guarded.example'")


TERMS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    *((url, {}, ()) for url in (URL, "tcp://a.example:1", "imaps://a.example", "ws://a.example")),
    *((url, {}, ("X-Key",)) for url in (URL, "wss://a.example", "tcp://a.example:1", "dns://a/b")),
    *((url, {"proxy": "http://p.example:1"}, ("proxy password",))
      for url in (URL, "http://a.example", "ws://a.example", "tls://a.example:1")),
    *((url, {"phase_timeouts": {"wait": 5_000}}, ())
      for url in (URL, "ws://a.example", "smtp://a.example", "icmp://a.example")),
    (URL, {}, ("client key",)), (URL, {}, ("proxy password",)),
    *((URL, {"proxy": proxy}, ()) for proxy in (
        "http://p.example:1", "https://[::1]:3128", "socks5h://p:65535", "socks5://p:1",
        "http://p.example", "http://p.example:0", "http://p.example:65536", "http://p.example:1/",
        "HTTP://p:1", "http://u@p:1", "http://p q:1")),
    *((URL, {"name_server": server}, ()) for server in (
        "192.0.2.53", "192.0.2.53:53", "2001:db8::53", "[2001:db8::53]:5353", "[2001:db8::53]",
        "ns.example", "192.0.2.53:99999", "192.0.2", "192.0.2.1/32", "1:2:53", ":53", "::")),
    *((URL, {"connect_to": address}, ()) for address in (
        "192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7", "192.0.2", "a.example", "192.0.2.7/32")),
    (URL, {"connect_to": "192.0.2.7", "name_server": "192.0.2.53"}, ()),
    ("https://192.0.2.1/", {"name_server": "192.0.2.53"}, ()),
    ("https://[2001:db8::1]/", {"connect_to": "192.0.2.53"}, ()),
    *((URL, {"phase_timeouts": {phase: us}}, ()) for phase, us in (
        ("dns", 1_000), ("receive", 10_000_000), ("receive", 10_000_001), ("tea", 5_000),
        ("tls", 999))),
]  # fmt: skip


def test_the_page_and_the_operators_tool_take_the_same_terms(database: Database) -> None:
    def by_tool(url: str, terms: dict[str, Any], names: tuple[str, ...]) -> bool:
        try:
            if "name_server" in terms:
                terms = {**terms, "name_server": name_server_of(terms["name_server"])}
            secrets = Secrets.of(dict.fromkeys(names, "a:b"))
            check_terms(Terms(**terms), secrets, url, Request(), timeout_us=10_000_000)
        except CollectorError:
            return False
        return True

    def by_page(
        connection: psycopg.Connection[tuple[object, ...]],
        url: str,
        terms: dict[str, Any],
        names: tuple[str, ...],
    ) -> bool:
        [(monitor_id,)] = connection.execute(
            "INSERT INTO vantage.monitors (account_id, name, url) VALUES (1, 'x', %s) RETURNING id",
            [url],
        )
        try:
            with connection.transaction():
                connection.execute(
                    "SELECT vantage.set_terms(%s, %s::jsonb)",
                    [monitor_id, json.dumps({"phase_timeouts": {}, **terms})],
                )
        except psycopg.Error as error:
            if error.sqlstate != "VA400":
                raise
            return False
        [(problem,)] = connection.execute(
            "SELECT vantage.terms_problem(monitors, %s) FROM vantage.monitors WHERE id = %s",
            [list(names), monitor_id],
        )
        return problem is None

    with psycopg.connect(database.url()) as connection:
        connection.execute("INSERT INTO vantage.accounts (name) VALUES ('x')")
        judged = [(each, by_tool(*each), by_page(connection, *each)) for each in TERMS]
    assert [each for each, tool, page in judged if tool != page] == []
    assert sum(tool for _, tool, _ in judged) == 23
