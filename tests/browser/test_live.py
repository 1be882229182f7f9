"""What changes on an open page: results come in, and the reader is left in peace."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.processes import wait_until
from tests.support.report_centre import Centre

NewPage = Callable[..., Page]
CHECKOUT = "Checkout · cart page"


def test_a_new_result_appears_without_a_reload(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    monitor_id = centre.monitor("Home page")
    page.goto(f"/m/{monitor_id}")
    expect(page.locator("#live")).to_contain_text("Live")
    expect(page.locator("canvas")).to_have_count(5)
    page.evaluate(
        """() => {
            window.isTheSamePage = true;
            window.addEventListener("vantage:refreshed", () => {
                const kinds = [...document.querySelectorAll("#chart-kinds a[data-measure]")];
                window.kinds = kinds.filter((kind) => !kind.hidden).map((kind) => kind.innerText);
            });
        }"""
    )
    row = page.locator("#locations tr", has_text="Frankfurt")
    began = time.monotonic()
    centre.new_result("Home page", "fra", 4_321_000)
    expect(row).to_contain_text("4,321 ms", timeout=30_000)
    took = time.monotonic() - began
    expect(page.locator("#recent tbody tr").first).to_contain_text("4,321 ms")
    assert page.evaluate("() => window.isTheSamePage")
    # What was never measured is not offered for the moment until the charts know it again.
    assert "Total" in page.evaluate("() => window.kinds")
    assert "Resources of the page" not in page.evaluate("() => window.kinds")
    # It takes a fraction of a second; without having been told, a page looks every 30 s.
    assert took < 20


# Which location's chart is drawn on, each time that one is.
_DRAWN = """() => {
  window.drawn = [];
  const clear = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    window.drawn.push(this.canvas.closest("figure")?.dataset.location);
    clear.apply(this, box);
  };
  for (const canvas of document.querySelectorAll("canvas")) canvas.isTheSame = true;
}"""


def test_a_new_result_is_drawn_where_it_belongs(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    page.goto(f"/m/{centre.monitor('Home page')}")
    expect(page.locator("canvas")).to_have_count(5)
    page.evaluate(_DRAWN)
    page.locator(".chart .u-over").nth(2).hover()
    expect(page.locator("#readout")).to_contain_text("São Paulo")
    crosshair = page.locator(".chart .u-cursor-x").nth(2)
    stood = crosshair.get_attribute("style")
    said = page.locator("#readout").inner_text()
    # Every ten minutes a new bucket begins, and all are drawn.
    for _ in range(3):
        page.evaluate("() => { window.drawn = []; }")
        centre.new_result("Home page", "fra", 90_000)
        wait_until(lambda: "fra" in page.evaluate("() => window.drawn"), what="a drawing")
        if set(page.evaluate("() => window.drawn")) == {"fra"}:
            break
    else:
        pytest.fail("all charts were drawn for one result")
    assert page.evaluate("() => [...document.querySelectorAll('canvas')].every((c) => c.isTheSame)")
    assert crosshair.get_attribute("style") == stood
    assert page.locator("#readout").inner_text() == said


def test_a_result_can_be_asked_for(new_page: NewPage, centre: Centre) -> None:
    page = new_page(width=390)
    page.goto("/m/2?range=1h")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#run")).to_contain_text("0 of 5 locations answered")
    expect(page).to_have_url(re.compile(r"range=1h&ran="))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_refresh_leaves_what_the_reader_does(new_page: NewPage, centre: Centre) -> None:
    """What is pointed at, open, selected, scrolled to and has the focus, in regions that change."""
    page = new_page(width=390)
    page.goto(f"/m/{centre.monitor(CHECKOUT)}")
    expect(page.locator("canvas")).to_have_count(5)
    page.locator("#certificates summary").first.click()
    heat = page.locator("#heat .readable").first
    heat.hover()
    expect(page.locator("#heat [data-readout]")).to_contain_text("Ashburn, ")
    address = heat.locator("a").get_attribute("href") or ""
    assert re.search(r"from=.*&to=.*&loc=iad", address)
    newest = page.locator("#recent tbody tr a").first
    newest.focus()
    page.evaluate(_TOUCHED)
    centre.new_result(CHECKOUT, "fra", 3_210_000)
    expect(page.locator("#recent tbody tr.fresh")).to_have_count(1)
    expect(page.locator("#locations")).to_contain_text("3,210 ms")
    assert page.evaluate(_KEPT) == {
        "selected": "Availability",
        "scrolled": True,
        "isOpen": True,
        "isFocused": True,
        "isPointed": True,
    }
    assert heat.locator("a").get_attribute("href") == address


_TOUCHED = """() => {
  window.touched = document.activeElement;
  document.querySelector("#locations .scroll").scrollLeft = 40;
  getSelection().selectAllChildren(document.querySelector("#locations thead th:nth-child(3)"));
}"""
_KEPT = """() => ({
  selected: getSelection().toString(),
  scrolled: document.querySelector("#locations .scroll").scrollLeft > 0,
  isOpen: document.querySelector("#certificates details").open,
  isFocused: document.activeElement === window.touched && window.touched.isConnected,
  isPointed: document.querySelector("#heat .readable").classList.contains("pointed"),
})"""


def test_the_overview_is_live_too(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    page.goto("/")
    expect(page.locator("#live")).to_contain_text("Live")
    page.evaluate("() => { window.isTheSamePage = true; }")
    line = page.locator(".monitors > li", has_text="Health check")
    last = line.locator(".last time")
    stood = last.get_attribute("datetime") or ""
    # The database is away when the page looks: it looks again, long before it would anyhow.
    page.route(f"{centre.address}/", lambda route: route.fulfill(status=503), times=1)
    with page.expect_response(lambda answer: answer.ok and answer.url == page.url, timeout=20_000):
        centre.new_result("Health check", "fra", 55_000)
    expect(last).not_to_have_attribute("datetime", stood, timeout=30_000)
    assert page.evaluate("() => window.isTheSamePage")
