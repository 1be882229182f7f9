"""Signing in at an OpenID provider, and everything by which somebody might get in instead."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import psycopg
import pytest
from joserfc.jwk import ECKey

from tests.integration.dashboard.conftest import Answer, Visitor
from tests.support import seed
from tests.support.database import Databases
from tests.support.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Provider,
    identity_provider,
)
from tests.support.processes import free_port
from tests.support.report_centre import Centre, serving

BEGIN = "/sign-in/provider"
FINISH = f"{BEGIN}/finish"


@pytest.fixture(scope="module")
def running_provider() -> Iterator[Provider]:
    with identity_provider() as started:
        yield started


@pytest.fixture(scope="module")
def running_centre(
    databases: Databases,
    running_provider: Provider,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Centre]:
    home = tmp_path_factory.mktemp("federated-centre")
    (home / "client-secret").write_text(f"{CLIENT_SECRET}\n")
    port = free_port()
    running_provider.redirect_uri = f"http://127.0.0.1:{port}{FINISH}"
    with databases.migrated() as database:
        with psycopg.connect(database.url()) as connection:
            hashed = seed.HASHER.hash(seed.PASSWORD)
            connection.execute(seed.STATEMENTS["people"].encode(), {"password_hash": hashed})
        with serving(
            database,
            home,
            "--registration=invite",
            f"--public-url=http://127.0.0.1:{port}/",
            f"--oidc-issuer={running_provider.address}",
            f"--oidc-client-id={CLIENT_ID}",
            f"--oidc-client-secret-file={home / 'client-secret'}",
            port=port,
        ) as started:
            yield started


@pytest.fixture
def centre(running_centre: Centre) -> Iterator[Centre]:
    """Two people, as they are before anybody came from the provider."""
    yield running_centre
    running_centre.execute("DELETE FROM vantage.users WHERE email LIKE '%%@example.org'")
    running_centre.execute("DELETE FROM vantage.identities")
    running_centre.execute("DELETE FROM vantage.links")


@pytest.fixture
def provider(running_provider: Provider) -> Iterator[Provider]:
    """It knows the seed's first person, as ann-1."""
    running_provider.behave()
    running_provider.claims["email"] = seed.EMAIL
    yield running_provider
    running_provider.behave()


class Browser(Visitor):
    """Keeps every cookie, and follows the provider's redirects as well."""

    def __init__(self, centre: Centre, *, keeps_cookies: bool = True) -> None:
        super().__init__(centre)
        self.cookies: dict[str, str] = {}
        self.keeps_cookies = keeps_cookies

    def ask(self, path: str, *arguments: Any, **more: Any) -> Answer:
        self.cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = super().ask(path, *arguments, **more)
        for given in answer.headers.get_all("set-cookie", []):
            name, _, value = given.partition(";")[0].partition("=")
            if self.keeps_cookies:
                self.cookies[name] = value.strip('"')
        return answer

    def to_the_provider(self, path: str = BEGIN) -> str:
        """Begin; returns where the provider sends the browser back to, as a path."""
        begun = self.ask(path)
        assert begun.status == 303, begun.text
        there = urlsplit(begun.headers["location"])
        connection = http.client.HTTPConnection(there.netloc, timeout=60)
        connection.request("GET", f"{there.path}?{there.query}")
        sent = connection.getresponse()
        sent.read()
        connection.close()
        assert sent.status == 302, "the provider did not take the request"
        back = urlsplit(sent.headers["location"])
        return f"{back.path}?{back.query}"

    def through(self, path: str = BEGIN) -> Answer:
        return self.ask(self.to_the_provider(path))

    def who(self) -> str:
        """Whose address the settings show; empty: nobody is signed in."""
        found = re.search(r"It is (\S+@\S+?)\. A new one", self.ask("/settings").text)
        return found[1] if found else ""


@pytest.fixture
def browser(centre: Centre) -> Browser:
    return Browser(centre)


def test_a_member_signs_in_and_goes_on_to_where_they_wanted(
    browser: Browser, provider: Provider, centre: Centre
) -> None:
    page = browser.ask("/sign-in?next=/settings/sessions").text
    assert "Sign in with 127.0.0.1" in page
    [path] = re.findall(r'href="(/sign-in/provider[^"]*)"', page)
    answer = browser.through(path)
    assert answer.status == 303
    assert browser.ask(answer.headers["location"]).headers["location"] == "/settings/sessions"
    assert browser.who() == seed.EMAIL
    # From now on the subject counts, whatever address the provider has.
    provider.claims["email"] = "renamed@elsewhere.example"
    again = Browser(centre)
    again.ask(again.through().headers["location"])
    assert again.who() == seed.EMAIL
    actions = centre.execute("SELECT action FROM vantage.audit_log ORDER BY id DESC LIMIT 3")
    assert ("identity_linked",) in actions


def test_nothing_secret_is_sent_through_the_browser_or_into_the_log(
    browser: Browser, provider: Provider, centre: Centre
) -> None:
    begun = browser.ask(BEGIN)
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert CLIENT_SECRET not in str(begun.headers) + centre.program.said()
    [cookie] = begun.headers.get_all("set-cookie", [])
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    back = browser.to_the_provider()
    browser.ask(back)
    for secret in (parse_qs(urlsplit(back).query)["code"][0], provider.address + "/token?"):
        assert secret not in centre.program.said()


def test_an_address_in_the_userinfo_is_as_good(browser: Browser, provider: Provider) -> None:
    provider.claims.update(email=None, email_verified=None)
    provider.in_userinfo = {"email": seed.EMAIL, "email_verified": True}
    browser.ask(browser.through().headers["location"])
    assert browser.who() == seed.EMAIL


def test_the_userinfo_of_somebody_else_counts_for_nothing(
    browser: Browser, provider: Provider
) -> None:
    provider.claims.update(email=None)
    provider.in_userinfo = {"sub": "bob-1", "email": seed.EMAIL, "email_verified": True}
    assert browser.through().status == 403
    assert browser.who() == ""


SPOILT = {
    "another nonce": {"nonce": "of another sign-in"},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "another-client"},
    "another audience and us as party": {"aud": "another-client", "azp": CLIENT_ID},
    "several audiences and another party": {"aud": [CLIENT_ID, "x"], "azp": "x"},
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "expired": {"exp": int(time.time()) - 3600},
    "no end": {"exp": None},
    "not valid yet": {"nbf": int(time.time()) + 3600},
    "no subject": {"sub": None},
}


@pytest.mark.parametrize("claims", SPOILT.values(), ids=SPOILT)
def test_an_id_token_that_does_not_hold_gets_nobody_in(
    browser: Browser, provider: Provider, centre: Centre, claims: dict[str, Any]
) -> None:
    provider.claims.update(claims)
    answer = browser.through()
    assert answer.status == 403
    assert "cannot be trusted" in answer.text
    assert browser.who() == ""
    assert centre.execute("SELECT count(*) FROM vantage.identities") == [(0,)]


def test_a_signature_by_another_key_gets_nobody_in(browser: Browser, provider: Provider) -> None:
    for breach in ("is_signed_by_other_key", "is_signed_by_secret"):
        provider.behave()
        provider.claims["email"] = seed.EMAIL
        setattr(provider, breach, True)
        assert browser.through().status == 403, breach
        assert browser.who() == ""


def test_a_new_key_of_the_provider_is_learnt(browser: Browser, provider: Provider) -> None:
    browser.ask(browser.through().headers["location"])
    centre = browser.centre
    # Asked for again once a minute at most, so that no token makes us ask and ask.
    provider.make_key()
    asked = provider.requests.count("/keys")
    assert [Browser(centre).through().status for _ in range(3)] == [303] * 3
    kept, provider.key = provider.key, ECKey.generate_key("P-256", {"kid": "unknown"})
    assert [Browser(centre).through().status for _ in range(3)] == [403] * 3
    provider.key = kept
    assert provider.requests.count("/keys") - asked == 1


def test_another_issuer_in_the_answer_gets_nobody_in(browser: Browser, provider: Provider) -> None:
    for issuer in ("https://evil.example", ""):
        provider.answering_issuer = issuer
        assert browser.through().status == 403
        assert browser.who() == ""


def test_an_answer_is_good_once(browser: Browser, provider: Provider, centre: Centre) -> None:
    back = browser.to_the_provider()
    assert browser.ask(back).status == 303
    again = browser.ask(back)
    assert again.status == 403
    assert "was used already" in again.text
    # With a fresh code of the provider, too.
    state = parse_qs(urlsplit(back).query)["state"][0]
    [code] = parse_qs(urlsplit(browser.to_the_provider()).query)["code"]
    query = urlencode({"code": code, "state": state, "iss": provider.address})
    assert browser.ask(f"{FINISH}?{query}").status == 403
    assert browser.ask(f"{FINISH}?code=x&state=y").status == 403


def test_a_code_of_another_sign_in_is_worth_nothing(
    browser: Browser, provider: Provider, centre: Centre
) -> None:
    """It was bound to the other one's verifier."""
    stolen = parse_qs(urlsplit(Browser(centre).to_the_provider()).query)["code"][0]
    mine = parse_qs(urlsplit(browser.to_the_provider()).query)
    query = urlencode({"code": stolen, "state": mine["state"][0], "iss": provider.address})
    assert browser.ask(f"{FINISH}?{query}").status == 403
    assert browser.who() == ""


def test_an_unverified_address_links_to_nobody(browser: Browser, provider: Provider) -> None:
    for verified in (False, None, "yes"):
        provider.claims["email_verified"] = verified
        answer = browser.through()
        assert answer.status == 403
        assert "has not verified an e-mail address" in answer.text
        assert browser.who() == ""


def test_an_address_that_went_to_another_person_is_refused(
    browser: Browser, provider: Provider, centre: Centre
) -> None:
    assert browser.through().status == 303
    provider.claims["sub"] = "bob-2"
    answer = Browser(centre).through()
    assert answer.status == 403
    assert "belongs to somebody else here" in answer.text


def test_who_is_not_invited_stays_out_and_who_is_comes_in(
    browser: Browser, provider: Provider, centre: Centre
) -> None:
    provider.claims.update(sub="cy-1", email="cy@example.org", name="Cy")
    refused = browser.through()
    assert refused.status == 403
    assert "Nobody here has the address cy@example.org." in refused.text
    centre.execute(
        "INSERT INTO vantage.links (token_hash, purpose, email, account_id, user_id, role,"
        " expires_at) SELECT sha256('cy'), 'invite', 'CY@example.org', account_id, id, 'viewer',"
        " now() + '1 h' FROM vantage.users WHERE email = %(email)s",
        email=seed.OTHER_EMAIL,
    )
    browser.ask(browser.through().headers["location"])
    assert browser.who() == "cy@example.org"
    assert centre.execute(
        "SELECT users.name, role, accounts.name, password_hash FROM vantage.users"
        " JOIN vantage.accounts ON accounts.id = account_id WHERE email = 'cy@example.org'"
    ) == [("Cy", "viewer", "Somebody Else", None)]
    assert centre.execute("SELECT count(*) FROM vantage.links") == [(0,)]


def test_without_a_cookie_it_is_asked_first(provider: Provider, centre: Centre) -> None:
    browser = Browser(centre, keeps_cookies=False)
    asked = browser.through(f"{BEGIN}?next=/settings")
    assert asked.status == 200
    assert f"{provider.address} says that you are <strong>Ann Other</strong>" in asked.text
    [action] = re.findall(r'action="(/sign-in/provider/confirm[^"]+)"', asked.text)
    [token] = re.findall(r'name="csrf" value="([^"]+)"', asked.text)
    assert browser.ask(action, "POST", {"csrf": "made.up"}).status == 403
    answer = browser.ask(action, "POST", {"csrf": token})
    moved = browser.ask(answer.headers["location"]).headers["location"]
    assert re.fullmatch(r"/~[\w-]{43}/settings", moved)
    assert f"It is {seed.EMAIL}" in browser.ask(moved).text
    assert browser.ask(action, "POST", {"csrf": token}).status == 403


def test_a_link_into_a_strangers_account_is_asked_about(
    browser: Browser, provider: Provider, centre: Centre
) -> None:
    """An attacker's own answer, which a victim is made to open."""
    back = Browser(centre).to_the_provider()
    assert browser.ask(back).status == 200
    assert browser.who() == ""


def test_a_member_without_a_password_comes_in_this_way_alone(
    browser: Browser, provider: Provider, centre: Centre
) -> None:
    provider.claims.update(sub="di-1", email="di@example.org")
    centre.execute(
        "INSERT INTO vantage.users (account_id, email, name)"
        " SELECT min(id), 'di@example.org', 'Di' FROM vantage.accounts"
    )
    assert Visitor(centre).sign_in("di@example.org", "").status == 401
    browser.ask(browser.through().headers["location"])
    assert browser.who() == "di@example.org"


def test_who_has_no_password_signs_in_anew_before_what_matters(
    browser: Browser, provider: Provider, centre: Centre
) -> None:
    provider.claims.update(sub="jo-1", email="jo@example.org")
    centre.execute(
        "INSERT INTO vantage.users (account_id, email, name, role)"
        " SELECT min(id), 'jo@example.org', 'Jo', 'owner' FROM vantage.accounts"
    )
    browser.ask(browser.through().headers["location"])
    page = "/settings/data"
    wrong_name = {"csrf": browser.form_token(page), "account": "not its name"}
    asked = browser.ask(f"{page}/delete", "POST", wrong_name)
    assert "as it is written over the field" in asked.text
    centre.execute(
        "UPDATE vantage.sessions SET created_at = sessions.created_at - INTERVAL '11 minutes'"
        " FROM vantage.users WHERE users.id = user_id AND email = 'jo@example.org'"
    )
    refused = browser.ask(f"{page}/delete", "POST", wrong_name)
    assert refused.status == 400
    assert "sign in anew" in refused.text
    assert "within ten minutes. Nothing was changed." in refused.text


def test_who_declines_at_the_provider_gets_a_sentence(browser: Browser, provider: Provider) -> None:
    state = parse_qs(urlsplit(browser.to_the_provider()).query)["state"][0]
    answer = browser.ask(f"{FINISH}?{urlencode({'state': state, 'error': 'access_denied'})}")
    assert answer.status == 403
    assert "did not say who you are" in answer.text


def test_who_may_come_in_is_said_by_the_registration(centre: Centre) -> None:
    enter = (
        "SELECT report.enter_identity('https://id.example', %(email)s, %(email)s, 'E',"
        " %(registration)s)"
    )
    with pytest.raises(psycopg.DatabaseError, match="Nobody here has the address"):
        centre.execute(enter, email="ed@example.org", registration="closed")
    centre.execute("UPDATE vantage.accounts SET name = 'ed@example.org' WHERE name LIKE 'Some%%'")
    centre.execute(enter, email="ed@example.org", registration="open")
    # Whoever took the name of the account first keeps nobody out.
    [(name,)] = centre.execute(
        "SELECT accounts.name FROM vantage.accounts JOIN vantage.users"
        " ON accounts.id = account_id WHERE email = 'ed@example.org'"
    )
    assert name == "ed@example.org (2)"
    centre.execute("DELETE FROM vantage.accounts WHERE name = 'ed@example.org (2)'")
    centre.execute("UPDATE vantage.accounts SET name = 'Somebody Else' WHERE name LIKE 'ed@%%'")
