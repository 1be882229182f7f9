"""axe finds nothing on any page, in light, dark and on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page

from dashboard import unsubscribing
from dashboard.session import token_hash
from dashboard.settings import Settings, read_secret
from tests.browser.conftest import keep_picture
from tests.support import axe, seed
from tests.support.report_centre import Centre

NewPage = Callable[..., Page]
CHECKOUT = "Checkout · cart page"
LOOKS: dict[str, tuple[int, Literal["light", "dark"], tuple[str, ...]]] = {
    "desktop": (1280, "light", ()),
    # Darkness changes colours and nothing else.
    "dark": (1280, "dark", ("color-contrast",)),
    "phone": (390, "light", ()),
}
# On a phone, the rows of such tables become paragraphs.
CUT_OFF = """() => [...document.querySelectorAll(".scroll:has(> .folds)")]
    .some((box) => innerWidth < 500 && box.scrollWidth > box.clientWidth)"""
# So that its form has every field that there can be.
KEY = """
INSERT INTO vantage.sealing_keys (key_id, public_key) VALUES (repeat('a', 16), sha256(''))
ON CONFLICT DO NOTHING
"""
SECRETS = """
INSERT INTO vantage.secrets (monitor_id, name, key_id, sealed)
SELECT %(id)s, unnest('{Authorization,X-Key,client key,proxy password}'::text[]),
    repeat('a', 16), ''
ON CONFLICT DO NOTHING
"""
STRANGERS = ["/sign-in", "/register", "/reset", "/no-such-page"]
PAGES = [
    "/",
    "/?q=nothing+like+it",
    "/?group=tag",
    "/m/{checkout}",
    "/m/{checkout}?compare=total",
    "/m/{checkout}/latest",
    "/m/{checkout}/edit",
    "/m/{checkout}/rule",
    "/incidents",
    "/incidents/{incident}",
    "/incidents/{closed}",
    "/monitors/new",
    "/locations",
    "/settings",
    "/settings/plan",
    "/settings/members",
    "/settings/sessions",
    "/settings/tokens",
    "/settings/rules",
    "/settings/status-pages",
    "/reports",
    "/reports/mail",
    "/settings/notifications",
    "/settings/maintenance",
    "/settings/audit",
    "/settings/data",
    "/api/v1/docs",
]


def strangers(centre: Centre) -> list[str]:
    """What is seen without signing in; also by links in mail."""
    centre.execute(
        "INSERT INTO vantage.links (token_hash, purpose, email, user_id, expires_at)"
        " SELECT %(hash)s, 'reset', email, id, now() + INTERVAL '1 hour' FROM vantage.users"
        " WHERE email = %(email)s ON CONFLICT DO NOTHING",
        hash=token_hash("mailed"),
        email=seed.EMAIL,
    )
    settings = Settings(database="", secret=read_secret(centre.home / "secret"))
    shown = f"/status/{centre.new_status_page(CHECKOUT)}"
    return [*STRANGERS, shown, "/reset/finish?token=mailed", unsubscribing.link(settings, 1)]


def name_of(path: str, look: str) -> str:
    words = path.format(checkout="monitor", incident="open", closed="closed")
    words = re.sub(r"\?(token|person)=.*|[/?=+]+", "-", words).strip("-")
    return f"{words or 'overview'}-{look}"


@pytest.mark.parametrize("signed_in", [False, True], ids=["strangers", "visitors"])
def test_axe_finds_nothing(new_page: NewPage, centre: Centre, signed_in: bool) -> None:
    """In one browser, each page opened once and then looked at in three ways."""
    found: list[str] = []
    page = new_page(signed_in=signed_in, reduced_motion="reduce")
    known = {
        "checkout": centre.monitor(CHECKOUT),
        "closed": centre.new_incident("Product pictures", "gru", is_open=False),
        "incident": centre.new_incident("Home page", "fra", "iad", is_open=True),
    }
    centre.execute(KEY)
    centre.execute(SECRETS, id=known["checkout"])
    for path in PAGES if signed_in else strangers(centre):
        page.goto(path.removesuffix("/latest").format(**known))
        page.evaluate("document.querySelectorAll('.fold').forEach((fold) => fold.open = true)")
        if path.endswith("/latest"):
            page.locator("#recent tbody a").first.click()
            page.wait_for_url("**/r/**")
        for look, (width, scheme, rules) in LOOKS.items():
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            name = name_of(path, look)
            found += [f"{name}: {broken}" for broken in axe.violations(page, *rules)]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{name} is wider than the screen")
            if page.evaluate(CUT_OFF):
                found.append(f"{name} cuts a table off")
            keep_picture(page, name)
    centre.execute("DELETE FROM vantage.incidents")
    assert not found, "\n".join(found)


def test_axe_finds_something(new_page: NewPage) -> None:
    page = new_page()
    page.goto("/")
    page.evaluate("document.querySelector('main').innerHTML = '<img src=x><input>'")
    assert {"image-alt", "label"} <= {each["id"] for each in axe.violations(page)}


CHOSEN = """() => {
    document.body.insertAdjacentHTML("beforeend", '<p id="as"></p>');
    const of = (part) => [getComputedStyle(part).color, getComputedStyle(part).backgroundColor];
    const as = document.querySelector("#as");
    as.style.cssText = "forced-color-adjust: none; background: Highlight; color: HighlightText";
    return [of(as), ...[...document.querySelectorAll("[aria-current]")].map(of)];
}"""


@pytest.mark.parametrize("path", ["/", "/settings", "/m/{checkout}"])
def test_forced_colours_are_those_of_what_is_chosen(
    new_page: NewPage, centre: Centre, path: str
) -> None:
    """Ink of ours on a ground of the system's could not be read."""
    page = new_page(forced_colors="active")
    page.goto(path.format(checkout=centre.monitor(CHECKOUT)))
    system, *chosen = page.evaluate(CHOSEN)
    assert len(chosen) > 1
    assert chosen == [system] * len(chosen)
