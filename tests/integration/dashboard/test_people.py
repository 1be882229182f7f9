"""People: coming in by mail, roles, invitations, sessions, tokens, and what is written down."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dashboard import unsubscribing
from dashboard.settings import Settings
from tests.integration.dashboard.conftest import Answer, Visitor
from tests.support import seed
from tests.support.database import Databases
from tests.support.mailbox import Mailbox, mailbox
from tests.support.report_centre import Centre
from tests.support.report_centre import centre as run_centre

PASSWORD = "a fine long password"
BASE = "http://127.0.0.1:{}"


@pytest.fixture(scope="module")
def box() -> Iterator[Mailbox]:
    with mailbox() as started:
        yield started


@pytest.fixture(scope="module")
def running_centre(
    databases: Databases, box: Mailbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Centre]:
    """A report centre that anybody may register at, and that sends mail."""
    with run_centre(
        databases,
        tmp_path_factory.mktemp("open-centre"),
        "--registration=open",
        f"--smtp=smtp://127.0.0.1:{box.port}",
        "--mail-from=Vantage <reports@example.com>",
        "--public-url=https://reports.example.com",
        length=timedelta(minutes=5),
    ) as started:
        yield started


def send(visitor: Visitor, path: str, page: str = "", **form: str) -> Answer:
    """Send the form at ``path``; its token is on ``page``."""
    return visitor.ask(path, "POST", {"csrf": visitor.form_token(page or path), **form})


def newcomer(centre: Centre, box: Mailbox, email: str) -> Visitor:
    """Somebody who registered and followed the link."""
    visitor = Visitor(centre)
    assert send(visitor, "/register", name="New Comer", email=email).status == 200
    finish(visitor, box.link(email))
    return visitor


def finish(visitor: Visitor, link: str, **form: str) -> Answer:
    answer = send(visitor, link, password=PASSWORD, **form)
    assert answer.status == 303, answer.text
    visitor.cookie = answer.headers["set-cookie"].split(";")[0]
    return visitor.ask(answer.headers["location"])


def token_in(answer: Answer) -> str:
    found = re.search(r"<code>(vantage_[\w-]+)</code>", answer.text)
    assert found
    return found[1]


def test_registering_verifies_the_address_first(
    stranger: Visitor, centre: Centre, box: Mailbox
) -> None:
    email = "ann@new.example"
    send(stranger, "/register", name="Ann <b>", email=email)
    link = box.link(email)
    assert box.wait_for(email)["From"] == "Vantage <reports@example.com>"
    assert "https://reports.example.com/register/finish?token=" in box.mails[-1].get_content()
    known = "SELECT count(*) FROM vantage.users WHERE email = %(e)s"
    assert centre.execute(known, e=email) == [(0,)]
    assert "Welcome, Ann &lt;b&gt;" in stranger.ask(link).text
    assert "8 to 1,024" in send(stranger, link, password="short").text
    assert "too easy" in send(stranger, link, password="ann@new.example").text
    assert finish(stranger, link).headers["location"] == "/"
    assert "Nothing is watched yet" in stranger.ask("/").text
    assert stranger.ask(link).status == 404
    stored = centre.execute("SELECT role, password_hash FROM vantage.users WHERE email = %(e)s",
                            e=email)  # fmt: skip
    assert stored[0][0] == "owner"
    assert str(stored[0][1]).startswith("$argon2id$")


def test_nobody_learns_which_addresses_are_known(stranger: Visitor, box: Mailbox) -> None:
    for path, name in (("/register", "X"), ("/reset", "")):
        answers = [
            send(stranger, path, name=name, email=email)
            for email in (seed.OTHER_EMAIL, "who@no.example")
        ]
        assert [answer.status for answer in answers] == [200, 200]
        texts = {
            answer.text.replace(seed.OTHER_EMAIL, "…").replace("who@no.example", "…")
            for answer in answers
        }
        assert len(texts) == 1
    # Each is handed in by itself, in whatever order.
    box.wait_for(seed.OTHER_EMAIL, 2)
    assert {mail["Subject"] for mail in box.to(seed.OTHER_EMAIL)} == {
        "You have an account at Vantage already",
        "A new password for Vantage",
    }
    box.wait_for("who@no.example")
    assert len(box.to("who@no.example")) == 1


def test_a_reset_signs_out_everywhere(centre: Centre, box: Mailbox) -> None:
    email = "bob@new.example"
    bob = newcomer(centre, box, email)
    thief = Visitor(centre)
    thief.sign_in_and_on(email=email, password=PASSWORD)
    stranger = Visitor(centre)
    send(stranger, "/reset", email=email)
    link = box.link(email, 2)
    answer = send(stranger, link, password="another long one")
    assert answer.headers["location"].startswith("/signed-in?")
    for visitor in (bob, thief):
        assert visitor.ask("/").status == 303
    assert Visitor(centre).sign_in(email, PASSWORD).status == 401
    assert send(stranger, "/reset", email=email).status == 200
    # A newer link makes the older one worthless, and each is good once.
    newer = box.link(email, 3)
    assert stranger.ask(link).status == stranger.ask("/reset/finish?token=x").status == 404
    assert stranger.ask(newer).status == 200
    assert "password_reset" in str(centre.execute("SELECT action FROM vantage.audit_log"))


def test_mail_is_tried_again(stranger: Visitor, centre: Centre, box: Mailbox) -> None:
    box.refusing = 1
    send(stranger, "/register", name="Patient", email="patient@new.example")
    assert box.link("patient@new.example")
    assert "patient@new.example" not in centre.program.said()


def test_mails_are_limited(stranger: Visitor) -> None:
    path, form = "/reset", {"email": "often@no.example"}
    statuses = [send(stranger, path, **form).status for _ in range(11)]
    assert statuses[-1] == 429


@pytest.mark.parametrize("email", ["x", "a@b c", "a@b>", "@b", "a" * 255 + "@b.example"])
def test_what_is_no_address_gets_a_sentence(stranger: Visitor, email: str) -> None:
    answer = send(stranger, "/register", name="X", email=email)
    assert answer.status in (400, 429)
    assert "is no e-mail address" in answer.text or "Too many tries" in answer.text


def test_members_and_what_their_roles_allow(centre: Centre, box: Mailbox) -> None:
    owner = newcomer(centre, box, "owner@team.example")
    page = "/settings/members"
    invite = f"{page}/invite"
    send(owner, invite, page, email="viewer@team.example", role="viewer")
    viewer = Visitor(centre)
    link = box.link("viewer@team.example")
    assert "invites you as a viewer" in viewer.ask(link).text
    assert "1 to 100" in send(viewer, link, password=PASSWORD, name="").text
    finish(viewer, link, name="Vera")
    members = owner.ask(page).text
    # What no click undoes is behind one that says what it does.
    assert re.findall(r'<summary>(\w+)<span class="visually-hidden"> (.+?)</span>', members) == [
        ("Leave", "owner@team.example"),
        ("Remove", "Vera"),
    ]
    assert members.count(f'action="{page}/remove"') == members.count('<details class="twice">') == 2
    # What a viewer may not do is refused by the database, not only hidden by the page.
    assert "Invite somebody" not in viewer.ask(page).text
    token = viewer.form_token("/settings")
    for path, form in (
        (invite, {"email": "x@y.example", "role": "owner"}),
        (f"{page}/role", {"id": "1", "role": "owner"}),
        (f"{page}/remove", {"id": "1"}),
        (f"{page}/withdraw", {"id": "1"}),
        ("/settings/account", {"account": "mine"}),
    ):
        answer = viewer.ask(path, "POST", {"csrf": token, **form})
        assert answer.status == 403, path
        assert "takes the role of owner" in answer.text
    assert viewer.ask("/settings/audit").status == 403
    assert "is a member already" in send(
        owner, invite, page, email="VIEWER@team.example", role="owner"
    ).text  # fmt: skip
    ((vera,),) = centre.execute("SELECT id FROM vantage.users WHERE name = 'Vera'")
    send(owner, f"{page}/role", page, id=str(vera), role="editor")
    send(owner, f"{page}/remove", page, id=str(vera))
    assert viewer.ask("/").status == 303
    log = owner.ask("/settings/audit").text
    for action in ("Member invited", "Member joined", "Role changed", "Member removed"):
        assert action in log


def test_an_account_keeps_an_owner(centre: Centre, box: Mailbox) -> None:
    owner = newcomer(centre, box, "last@team.example")
    ((own_id,),) = centre.execute("SELECT id FROM vantage.users WHERE email = 'last@team.example'")
    for path, form in (("role", {"role": "viewer"}), ("remove", {})):
        answer = send(owner, f"/settings/members/{path}", "/settings/members",
                      id=str(own_id), **form)  # fmt: skip
        assert answer.status == 400
        assert "needs an owner" in answer.text


def test_an_invitation_of_somebody_elsewhere_tells_only_them(centre: Centre, box: Mailbox) -> None:
    owner = newcomer(centre, box, "curious@team.example")
    before = len(box.to(seed.EMAIL))
    answer = send(owner, "/settings/members/invite", "/settings/members",
                  email=seed.EMAIL, role="viewer")  # fmt: skip
    assert answer.headers["location"].endswith("?done=invited")
    assert "another account" in box.wait_for(seed.EMAIL, before + 1).get_content()


def test_other_accounts_people_are_not_there(centre: Centre, box: Mailbox) -> None:
    owner = newcomer(centre, box, "alone@team.example")
    ((other,),) = centre.execute("SELECT id FROM vantage.users WHERE email = %(e)s", e=seed.EMAIL)
    page = "/settings/members"
    assert seed.EMAIL not in owner.ask(page).text
    for path, form in ((f"{page}/role", {"role": "viewer"}), (f"{page}/remove", {})):
        assert send(owner, path, page, id=str(other), **form).status == 404


def test_the_profile(centre: Centre, box: Mailbox) -> None:
    visitor = newcomer(centre, box, "prof@team.example")
    assert send(visitor, "/settings", name="Pro Fessor", zone="Asia/Tokyo").status == 303
    text = visitor.ask("/settings").text
    assert "Pro Fessor" in text
    assert 'data-time-zone="Asia/Tokyo"' in text
    assert "JST" not in text
    assert "is no time zone" in send(visitor, "/settings", name="X", zone="Mars/Olympus").text
    other = Visitor(centre)
    other.sign_in_and_on(email="prof@team.example", password=PASSWORD)
    wrong = send(visitor, "/settings/password", "/settings", password="no", new="12345678 and on")
    assert "present password is not that" in wrong.text
    send(visitor, "/settings/password", "/settings", password=PASSWORD, new="12345678 and on")
    assert visitor.ask("/").status == 200
    assert other.ask("/").status == 303
    send(visitor, "/settings/email", "/settings",
         password="12345678 and on", email="fresh@team.example")  # fmt: skip
    link = box.link("fresh@team.example")
    assert Visitor(centre).sign_in("fresh@team.example", "12345678 and on").status == 401
    # A program that looks through mail follows its links; that changes nothing.
    assert "Use this address?" in visitor.ask(link).text
    assert Visitor(centre).sign_in("fresh@team.example", "12345678 and on").status == 401
    send(Visitor(centre), "/reset", email="prof@team.example")
    box.wait_for("prof@team.example", 2)
    assert send(visitor, link).status == 303
    assert Visitor(centre).sign_in("fresh@team.example", "12345678 and on").status == 303
    assert centre.execute("SELECT count(*) FROM vantage.links WHERE purpose = 'reset'"
                          " AND email = 'prof@team.example'") == [(0,)]  # fmt: skip


def test_sessions_are_listed_and_ended(centre: Centre) -> None:
    here, there = Visitor(centre), Visitor(centre)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    here.sign_in_and_on(email=seed.OTHER_EMAIL)
    there.cookie = there.sign_in(seed.OTHER_EMAIL, User_Agent=agent).headers["set-cookie"]
    page = here.ask("/settings/sessions").text
    assert "Firefox on Linux" in page
    [other] = re.findall(r'name="id" value="(\d+)"', page)
    assert send(here, "/settings/sessions/end", "/settings/sessions", id=other).status == 303
    assert there.ask("/").status == 303
    assert here.ask("/").status == 200
    assert send(here, "/settings/sessions/end", "/settings/sessions", id=other).status == 404


def test_tokens_are_shown_once_scoped_and_revocable(centre: Centre) -> None:
    visitor, page = Visitor(centre), "/settings/tokens"
    visitor.sign_in_and_on()
    answer = send(visitor, f"{page}/add", page, name="nightly report", scope="read", days="30")
    token = token_in(answer)
    later = visitor.ask(page).text
    assert token not in later
    assert token[:12] in later
    assert "nightly report" in later
    program = Visitor(centre)
    headers: dict[str, Any] = {"Authorization": f"Bearer {token}", "Accept": "*/*"}
    monitor = centre.monitor("Home page")
    assert program.ask(f"/m/{monitor}/series.json", **headers).status == 200
    assert "ago" in visitor.ask(page).text
    assert centre.execute("SELECT count(*) FROM vantage.api_tokens WHERE token_hash::text LIKE"
                          " '%%' || %(token)s || '%%'", token=token) == [(0,)]  # fmt: skip
    [token_id] = re.findall(r'name="id" value="(\d+)"', later)
    send(visitor, f"{page}/revoke", page, id=token_id)
    refused = program.ask(f"/m/{monitor}/series.json", **headers)
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert token not in centre.program.said()
    for form in ({"name": "", "scope": "read", "days": ""}, {"name": "x", "days": ""},
                 {"name": "x", "scope": "read", "days": "9"}):  # fmt: skip
        assert send(visitor, f"{page}/add", page, **form).status == 400


def test_an_expired_token_is_worthless(centre: Centre) -> None:
    centre.execute(
        "INSERT INTO vantage.api_tokens (user_id, name, token_hash, hint, scopes, expires_at)"
        " SELECT id, 'old', sha256('old'), 'old', '{read}', now() - INTERVAL '1 s'"
        " FROM vantage.users WHERE email = %(email)s",
        email=seed.OTHER_EMAIL,
    )
    stale: dict[str, Any] = {"Authorization": "Bearer old", "Accept": "*/*"}
    assert Visitor(centre).ask("/", **stale).status == 401


def test_a_password_in_the_header_signs_programs_in(centre: Centre) -> None:
    program = Visitor(centre)
    path = f"/m/{centre.monitor('Home page')}/series.csv"

    def status(email: str, password: str) -> int:
        given = base64.b64encode(f"{email}:{password}".encode()).decode()
        return program.ask(path, Authorization=f"Basic {given}", Accept="*/*").status

    assert [status(seed.EMAIL, seed.PASSWORD) for _ in range(3)] == [200] * 3
    assert status(seed.OTHER_EMAIL, seed.PASSWORD) == 404
    assert [status("guess@no.example", "wrong") for _ in range(11)] == [401] * 10 + [429]
    guess = base64.b64encode(b"guess@no.example:wrong").decode()
    told = program.ask(path, Authorization=f"Basic {guess}").text
    assert "<h1>Too many tries</h1>\n  <p>Wait " in told
    for header in ("Basic !", "Basic eA==", "Digest x", "Bearer"):
        assert program.ask(path, Authorization=header, Accept="*/*").status == 401


def test_a_header_sends_no_form(centre: Centre) -> None:
    given = base64.b64encode(f"{seed.EMAIL}:{seed.PASSWORD}".encode()).decode()
    answer = Visitor(centre).ask("/settings", "POST", {"name": "x"}, Accept="*/*",
                                 Authorization=f"Basic {given}")  # fmt: skip
    assert answer.status == 401


def test_the_plan_and_its_licence_are_shown(centre: Centre, box: Mailbox) -> None:
    owner = newcomer(centre, box, "licensed@new.example")
    assert "Without an end." in owner.ask("/settings/plan").text
    # Where nobody pays there is nothing to pay at.
    assert "Stripe" not in owner.ask("/settings/plan").text
    assert owner.ask("/stripe/events", "POST").status == 404
    centre.execute(
        "INSERT INTO vantage.plans (name, title, max_members) VALUES ('solo', 'Solo', 1)"
    )
    plan = "UPDATE vantage.accounts SET plan = %(plan)s WHERE name = 'licensed@new.example'"
    centre.execute(plan, plan="solo")
    invite = {"page": "/settings/members", "email": "second@new.example", "role": "viewer"}
    refused = send(owner, "/settings/members/invite", **invite)
    assert (refused.status, "The plan Solo has 1 members" in refused.text) == (400, True)
    centre.execute(plan, plan="unlimited")
    assert send(owner, "/settings/members/invite", **invite).status == 303
    ends = "UPDATE vantage.accounts SET licence_ends_at = now() + %(after)s::interval"
    whose = " WHERE name = 'licensed@new.example'"
    for after, words in (
        ("3 days", "Licence: Active"),
        ("-3 days", "Everything goes on until"),
        ("-30 days", "Monitors are paused and nothing is measured."),
    ):
        centre.execute(ends + whose, after=after)
        assert words in owner.ask("/settings/plan").text


def test_product_mail_is_for_who_chose_it_and_ends_with_one_click(
    stranger: Visitor, centre: Centre, box: Mailbox
) -> None:
    def wants(email: str) -> object:
        asked = "SELECT wants_product_mail FROM vantage.users WHERE email = %(e)s"
        return centre.execute(asked, e=email)[0][0]

    quiet, keen = "quiet@new.example", "keen@new.example"
    newcomer(centre, box, quiet)
    visitor = Visitor(centre)
    send(visitor, "/register", name="Keen", email=keen)
    finish(visitor, box.link(keen), product="yes")
    assert (wants(quiet), wants(keen)) == (False, True)
    assert 'value="yes" checked' in visitor.ask("/settings").text
    assert send(visitor, "/settings/mail", page="/settings").status == 303
    assert wants(keen) is False
    assert send(visitor, "/settings/mail", page="/settings", product="yes").status == 303
    person = centre.execute("SELECT id FROM vantage.users WHERE email = %(e)s", e=keen)[0][0]
    settings = Settings(database="", secret=(centre.home / "secret").read_bytes().strip())
    link = unsubscribing.link(settings, int(str(person)))
    assert stranger.ask(link + "0").status == 404
    assert stranger.ask(link.replace(f"person={person}", "person=1")).status == 404
    # Following it, as programs do that look through mail, changes nothing.
    assert "Unsubscribe from it?" in stranger.ask(link).text
    assert wants(keen) is True
    # As a mail program does it: no cookie, no form of ours, another site.
    done = stranger.ask(
        link, "POST", {"List-Unsubscribe": "One-Click"}, Origin="https://mail.example"
    )
    assert (done.status, "You are unsubscribed." in done.text) == (200, True)
    assert wants(keen) is False
