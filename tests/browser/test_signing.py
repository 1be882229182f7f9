"""Coming in, in a real browser: registering by mail, and signing in where cookies are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.browser.conftest import ARGUMENTS, keep_picture, sign_in
from tests.support.chromium import chromium_path
from tests.support.database import Databases
from tests.support.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Provider,
    identity_provider,
)
from tests.support.mailbox import Mailbox, mailbox
from tests.support.processes import free_port
from tests.support.report_centre import Centre
from tests.support.report_centre import centre as run_centre

NewPage = Callable[..., Page]


@pytest.fixture(scope="module")
def box() -> Iterator[Mailbox]:
    with mailbox() as started:
        yield started


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with identity_provider() as started:
        yield started


@pytest.fixture(scope="module")
def running_centre(
    databases: Databases,
    box: Mailbox,
    provider: Provider,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Centre]:
    port = free_port()
    home = tmp_path_factory.mktemp("open-centre")
    (home / "client-secret").write_text(CLIENT_SECRET)
    provider.redirect_uri = f"http://127.0.0.1:{port}/sign-in/provider/finish"
    with run_centre(
        databases,
        home,
        "--registration=open",
        f"--oidc-issuer={provider.address}",
        f"--oidc-client-id={CLIENT_ID}",
        f"--oidc-client-secret-file={home / 'client-secret'}",
        f"--smtp=smtp://127.0.0.1:{box.port}",
        "--mail-from=reports@example.com",
        f"--public-url=http://127.0.0.1:{port}",
        port=port,
        length=timedelta(minutes=30),
    ) as started:
        yield started


def test_from_registering_to_inviting(new_page: NewPage, box: Mailbox, centre: Centre) -> None:
    page = new_page(signed_in=False)
    page.goto("/sign-in")
    page.get_by_role("link", name="Register").click()
    page.get_by_label("Name").fill("Ann Other")
    page.get_by_label("E-mail address").fill("ann@new.example")
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your mail")
    page.goto(box.link("ann@new.example"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, Ann Other")
    keep_picture(page, "welcome")
    page.get_by_label("Password for").fill("a fine long password")
    page.get_by_role("button", name="Begin").click()
    expect(page).to_have_url(re.compile(r"//[^/]+/$"))
    # One field; its page turns into the first result's waterfall.
    page.get_by_label("Address to watch").fill("www.new.example")
    keep_picture(page, "first-run")
    page.get_by_role("button", name="Watch it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Probing www.new.example…")
    keep_picture(page, "first-run-waiting")
    centre.new_result("www.new.example", "fra", 52_000)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Up from Frankfurt in 52 ms")
    expect(page.locator(".waterfall")).to_contain_text("TCP connect")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Maintenance").click()
    # Nobody chose a zone, so it is the one in which the pages' times are.
    expect(page.get_by_label("By the clocks of")).to_have_value("Europe/Berlin")
    begins = datetime.fromisoformat(page.get_by_label("Begins").input_value())
    ahead = begins.replace(tzinfo=ZoneInfo("Europe/Berlin")) - datetime.now(UTC)
    assert timedelta() < ahead < timedelta(hours=1, minutes=5)
    page.get_by_role("link", name="Profile").click()
    page.get_by_label("Time zone").select_option("Asia/Tokyo")
    page.get_by_role("region", name="You").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    keep_picture(page, "settings-profile")
    page.get_by_role("link", name="Members").click()
    page.get_by_label("E-mail address").fill("bob@new.example")
    page.get_by_label("Editor").check()
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("heading", name="Invited, not here yet")).to_be_visible()
    assert "Ann Other invites you" in box.wait_for("bob@new.example")["Subject"]
    keep_picture(page, "settings-members")
    page.get_by_role("link", name="API tokens").click()
    page.get_by_label("What it is for").fill("nightly report")
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator("code")).to_contain_text(re.compile(r"^vantage_"))
    keep_picture(page, "settings-tokens")
    # What no click undoes is asked twice; the keyboard comes back to where it was.
    sure = page.locator("summary", has_text="Revoke")
    sure.press("Enter")
    revoke = page.get_by_role("button", name="Revoke nightly report")
    expect(revoke).to_be_visible()
    page.keyboard.press("Tab")
    expect(revoke).to_be_focused()
    page.keyboard.press("Escape")
    expect(revoke).to_be_hidden()
    expect(sure).to_be_focused()
    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("table")).to_contain_text("Member invited")
    expect(page.locator("tbody time").first).to_have_attribute("title", re.compile("GMT\\+9|JST"))


@pytest.fixture
def page_without_cookies(playwright: Playwright, centre: Centre, tmp_path: Path) -> Iterator[Page]:
    """A Chromium whose settings block every cookie."""
    profile = tmp_path / "profile"
    (profile / "Default").mkdir(parents=True)
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (profile / "Default" / "Preferences").write_text(json.dumps(blocked))
    context = playwright.chromium.launch_persistent_context(
        profile,
        executable_path=chromium_path(is_whole=True),
        args=ARGUMENTS,
        base_url=centre.address,
    )
    yield context.pages[0]
    context.close()


def test_everything_works_with_cookies_refused(page_without_cookies: Page, centre: Centre) -> None:
    page = page_without_cookies
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"/m/{centre.monitor('Home page')}?range=1h")
    page.get_by_label("E-mail address").fill("demo@example.com")
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/~[\w-]{43}/m/\d+\?range=1h$"))
    assert page.context.cookies() == []
    token = re.findall(r"/~([\w-]{43})/", page.url)[0]
    # Charts, live results, drilling down: what scripts fetch carries the token too.
    expect(page.locator("canvas")).to_have_count(5)
    expect(page.locator("#live")).to_contain_text("Live")
    centre.new_result("Home page", "fra", 4_321_000)
    expect(page.locator("#recent tbody tr").first).to_contain_text("4,321 ms", timeout=30_000)
    chart = page.get_by_role("slider", name="Frankfurt").first
    chart.focus()
    # At the turn of a minute the newest minutes have no result yet, and nothing to open.
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
        if " ms" in (chart.get_attribute("aria-valuetext") or ""):
            break
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/~{token}/m/\d+/r/.*Z/fra"))
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("monitors")
    # Whoever sees this address is signed in too, so some things need the cookie.
    page.get_by_role("link", name="Settings").click()
    expect(page.locator(".notice")).to_contain_text("signed in without a cookie")
    page.get_by_label("Present password").last.fill("correct horse battery staple")
    page.get_by_label("New password").fill("some other password")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Not allowed")
    page.goto(f"/~{token}/settings/sessions")
    expect(page.get_by_role("table")).to_contain_text("without a cookie")
    keep_picture(page, "settings-sessions-without-a-cookie")
    # Another browser that learns the address is signed out by signing out here.
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page).to_have_url(re.compile(r"//[^/]+/sign-in$"))
    page.goto(f"/~{token}/")
    expect(page).to_have_url(re.compile(r"/sign-in"))
    assert token not in centre.program.said()
    assert not complaints


def test_a_cookie_that_comes_back_is_enough(new_page: NewPage, centre: Centre) -> None:
    page = new_page(signed_in=False)
    sign_in(page)
    expect(page).to_have_url(f"{centre.address}/")
    assert len(page.context.cookies()) == 1
    assert (
        page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0
    )


def test_at_the_identity_provider(new_page: NewPage, centre: Centre) -> None:
    page = new_page(signed_in=False)
    page.goto(f"/m/{centre.monitor('Home page')}")
    keep_picture(page, "sign-in")
    page.get_by_role("link", name="Sign in with 127.0.0.1").click()
    # Ann has an account of her own from here on, and so not this monitor.
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    page.goto("/settings")
    expect(page.get_by_text("It is ann@example.org.")).to_be_visible()
    assert len(page.context.cookies(centre.address)) == 1


def test_at_the_identity_provider_with_cookies_refused(
    page_without_cookies: Page, centre: Centre
) -> None:
    page = page_without_cookies
    page.goto("/sign-in?next=/settings")
    page.get_by_role("link", name="Sign in with 127.0.0.1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Is this you?")
    keep_picture(page, "is-this-you")
    page.get_by_role("button", name="Yes, sign me in").click()
    expect(page).to_have_url(re.compile(r"/~[\w-]{43}/settings$"))
    expect(page.get_by_text("It is ann@example.org.")).to_be_visible()
    assert page.context.cookies() == []
