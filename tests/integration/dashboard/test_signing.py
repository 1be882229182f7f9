"""Who may come in, and how that is remembered."""

from __future__ import annotations

import base64
import hashlib
import re
import urllib.error
import urllib.request

import pytest

from tests.integration.dashboard.conftest import Visitor
from tests.support import seed
from tests.support.report_centre import Centre


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(stranger: Visitor) -> None:
    answers = [
        stranger.sign_in("same@example.org", "wrong"),
        stranger.sign_in(seed.OTHER_EMAIL, "wrong"),
    ]
    assert [answer.status for answer in answers] == [401, 401]
    # Nobody can register here, so nothing leads there.
    assert "/register" not in answers[0].text
    bodies = [re.sub(r'value="[^"]*"', "", answer.text) for answer in answers]
    assert bodies[0] == bodies[1]


def test_too_many_tries_have_to_wait(stranger: Visitor) -> None:
    answers = [stranger.sign_in("eager@example.org", "wrong") for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 300
    assert stranger.sign_in(seed.EMAIL).status == 303


FILE = b'--b\r\nContent-Disposition: form-data; name="email"; filename="a"\r\n\r\nx\r\n--b--\r\n'


def test_a_file_in_a_form_is_refused_in_a_sentence(centre: Centre) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Accept": "text/html"}
    request = urllib.request.Request(f"{centre.address}/sign-in", FILE, headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 400
    text = refused.value.read().decode()
    assert "Too many files" in text
    assert "is not how this page is asked for" not in text


def test_the_cookie_on_loopback(stranger: Visitor) -> None:
    given = stranger.sign_in().headers["set-cookie"]
    assert given.startswith("vantage=")
    assert "HttpOnly" in given
    assert "SameSite=lax" in given
    assert "Secure" not in given


def test_the_cookie_over_https(stranger: Visitor) -> None:
    given = stranger.sign_in(X_Forwarded_Proto="https", Host="report.example").headers["set-cookie"]
    assert given.startswith("__Host-vantage=")
    for claim in ("HttpOnly", "SameSite=lax", "Secure", "Path=/"):
        assert claim in given
    assert "Domain" not in given


def test_plain_http_from_afar_gets_no_cookie(stranger: Visitor) -> None:
    assert "over plain http" in stranger.ask("/sign-in", Host="report.example").text
    assert "set-cookie" not in stranger.sign_in(Host="report.example").headers


@pytest.mark.parametrize(
    "following", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nX: y", ""]
)
def test_signing_in_leads_nowhere_else(stranger: Visitor, following: str) -> None:
    from urllib.parse import quote

    answer = stranger.sign_in_and_on(f"/sign-in?next={quote(following)}")
    assert answer.headers["location"] == "/"


def test_signing_in_leads_back(stranger: Visitor) -> None:
    path = stranger.ask("/m/1?range=1h").headers["location"]
    assert stranger.sign_in_and_on(path).headers["location"] == "/m/1?range=1h"


def test_forms_of_other_sites_are_refused(visitor: Visitor) -> None:
    token = visitor.form_token("/")
    assert visitor.ask("/sign-out", "POST", {}).status == 403
    assert visitor.ask("/sign-out", "POST", {"csrf": "made.up"}).status == 403
    form = {"csrf": token}
    assert visitor.ask("/sign-out", "POST", form, Sec_Fetch_Site="cross-site").status == 403
    assert visitor.ask("/sign-out", "POST", form, Origin="https://evil.example").status == 403
    assert visitor.ask("/").status == 200


def test_another_sessions_token_is_refused(visitor: Visitor, other_visitor: Visitor) -> None:
    form = {"csrf": other_visitor.form_token("/")}
    assert visitor.ask("/sign-out", "POST", form).status == 403


def test_signing_out_ends_the_session_itself(visitor: Visitor) -> None:
    token = visitor.form_token("/")
    answer = visitor.ask("/sign-out", "POST", {"csrf": token})
    assert answer.headers["location"] == "/sign-in"
    # The browser would have dropped the cookie; a copy of it is worth nothing either.
    assert visitor.ask("/").status == 303


@pytest.mark.parametrize("path", ["/", "/m/1", "/m/1/series.json", "/live"])
def test_nothing_is_shown_to_strangers(stranger: Visitor, path: str) -> None:
    assert stranger.ask(path).status == 303
    assert stranger.ask(path, Accept="*/*").status == 401


@pytest.mark.parametrize(("kind", "hours"), [("cookie", 72), ("path", 1)])
def test_what_nobody_uses_ends(visitor: Visitor, centre: Centre, kind: str, hours: int) -> None:
    """The session is made one of either kind; where its token comes from is another test's."""
    digest = hashlib.sha256(visitor.cookie.partition("=")[2].encode()).digest()
    ends = "SELECT user_id FROM report.session_of(%(kind)s, %(digest)s)"
    idle = (
        "UPDATE vantage.sessions SET kind = %(kind)s, last_used_at ="
        " now() - make_interval(mins => %(minutes)s) WHERE token_hash = %(digest)s"
    )
    centre.execute(idle, kind=kind, minutes=hours * 60 - 1, digest=digest)
    assert centre.execute(ends, kind=kind, digest=digest)
    centre.execute(idle, kind=kind, minutes=hours * 60, digest=digest)
    assert not centre.execute(ends, kind=kind, digest=digest)
    assert visitor.ask("/").status in (303, 401)


# Whoever sees the address has the session: it changes neither who comes in nor who is told.
MATTERS = [
    f"/settings/{path}"
    for path in (
        "account",
        "password",
        "email",
        "data/delete",
        "members/invite",
        "members/withdraw",
        "members/role",
        "members/remove",
        "notifications/add",
        "notifications/change",
        "notifications/remove",
        "plan/buy",
        "plan/change",
        "tokens/add",
        "tokens/revoke",
    )
]


def test_a_session_in_the_path_changes_nothing_that_matters(stranger: Visitor) -> None:
    handed_over = stranger.sign_in().headers["location"]
    stranger.cookie = ""
    start = stranger.ask(handed_over).headers["location"]
    assert re.fullmatch(r"/~[\w-]{43}/", start)
    form = {"csrf": stranger.form_token(f"{start}settings")}
    for path in MATTERS:
        answer = stranger.ask(start + path.removeprefix("/"), "POST", form)
        assert answer.status == 403, path
        assert "signed in without a cookie" in answer.text, path


def test_nobody_of_a_deleted_account_comes_in_again(stranger: Visitor, centre: Centre) -> None:
    """However they once did, and while their own rows are still there."""
    email = "gone@example.com"
    centre.execute(
        """
        WITH account AS (
            INSERT INTO vantage.accounts (name) VALUES ('Gone') RETURNING id
        ),
        person AS (
            INSERT INTO vantage.users (account_id, email, name, role, password_hash)
            SELECT account.id, %(email)s, '', 'owner', users.password_hash
            FROM account, vantage.users WHERE users.email = %(known)s
            RETURNING id
        )
        INSERT INTO vantage.api_tokens (user_id, name, token_hash, hint, scopes)
        SELECT id, 'old', sha256('gone'), 'gone', '{read}' FROM person
        """,
        email=email,
        known=seed.EMAIL,
    )
    password = base64.b64encode(f"{email}:{seed.PASSWORD}".encode()).decode()
    headers = [f"Basic {password}", "Bearer gone"]
    program = Visitor(centre)

    def let_in() -> list[int]:
        by_header = [
            program.ask("/lists/monitors.json", Authorization=each, Accept="*/*").status
            for each in headers
        ]
        return [stranger.ask("/").status, *by_header]

    try:
        assert stranger.sign_in_and_on(email=email).status == 303
        assert let_in() == [200, 200, 200]
        centre.execute("UPDATE vantage.accounts SET deleted_at = now() WHERE name = 'Gone'")
        assert let_in() == [303, 401, 401]
        assert Visitor(centre).sign_in(email).status == 401
    finally:
        centre.execute("DELETE FROM vantage.users WHERE email = %(email)s", email=email)
        centre.execute("DELETE FROM vantage.accounts WHERE name = 'Gone'")
