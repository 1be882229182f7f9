"""What the security headers say, tried on a page by a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.database import Databases
from tests.support.report_centre import Centre
from tests.support.report_centre import centre as run_centre

NewPage = Callable[..., Page]


@pytest.fixture(scope="module")
def running_centre(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Centre]:
    home = tmp_path_factory.mktemp("guarded-centre")
    with run_centre(databases, home, length=timedelta(minutes=10)) as started:
        yield started


ATTEMPTS = """
async (elsewhere) => {
  const broken = [];
  addEventListener("securitypolicyviolation", (event) => broken.push(event.effectiveDirective));
  const add = (name, values) =>
    document.body.append(Object.assign(document.createElement(name), values));
  add("script", { textContent: "window.ran = 'inline'" });
  add("script", { src: `${elsewhere}/x.js` });
  add("img", { src: `${elsewhere}/x.png` });
  add("iframe", { src: `${elsewhere}/` });
  add("link", { rel: "stylesheet", href: `${elsewhere}/x.css` });
  add("base", { href: elsewhere });
  add("div", { innerHTML: "<p style='color: red' onclick='1'>x</p>" });
  document.querySelector("[onclick]").click();
  await fetch(`${elsewhere}/x`).catch(() => {});
  await new Promise((done) => setTimeout(done, 300));
  return { broken: [...new Set(broken)].sort(), ran: window.ran ?? null };
}
"""


def test_nothing_foreign_runs_or_loads(browser: Browser, centre: Centre) -> None:
    context = browser.new_context(base_url=centre.address)
    page = context.new_page()
    page.goto("/sign-in")
    elsewhere = f"http://localhost:{centre.port}"
    found = page.evaluate(ATTEMPTS, elsewhere)
    assert found["ran"] is None
    assert {
        "base-uri",
        "connect-src",
        "frame-src",
        "img-src",
        "script-src-attr",
        "script-src-elem",
        "style-src-attr",
        "style-src-elem",
    } <= set(found["broken"])
    # A debugger's own evaluation may do what a page may not.
    assert "unsafe" not in page.request.get("/sign-in").headers["content-security-policy"]
    context.close()


def test_no_page_is_framed(browser: Browser, centre: Centre) -> None:
    context = browser.new_context()
    page = context.new_page()
    framing = f"<iframe src='{centre.address}/sign-in'></iframe>"
    page.route(
        "http://frames.example/",
        lambda route: route.fulfill(content_type="text/html", body=framing),
    )
    page.goto("http://frames.example/")
    # What a browser shows in the place of what it may not.
    page.wait_for_function("() => window.frames.length === 1")
    expect(page.frame_locator("iframe").locator("form")).to_have_count(0)
    assert page.frames[1].url.startswith("chrome-error:")
    context.close()


def test_a_page_tells_nobody_where_it_came_from(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    page.goto("/")
    referrers: list[str | None] = []
    page.on("request", lambda request: referrers.append(request.headers.get("referer")))
    page.get_by_role("link", name="Settings").click()
    page.wait_for_url("**/settings")
    assert referrers
    assert not any(referrers)
