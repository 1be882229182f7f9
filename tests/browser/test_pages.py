"""The report centre in a browser: what a person does, and what it looks like."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import keep_picture, sign_in
from tests.support import seed
from tests.support.report_centre import Centre

NewPage = Callable[..., Page]
CHECKOUT = "Checkout · cart page"
REDIRECTED = "Old shop, redirected"
PHASES = [
    "DNS lookup",
    "TCP connect",
    "TLS handshake",
    "Waiting for first byte",
    "Content transfer",
]


def test_signing_in_and_out(new_page: NewPage) -> None:
    page = new_page(signed_in=False)
    page.goto("/m/1?range=1h")
    expect(page).to_have_url(re.compile(r"/sign-in\?next="))
    page.get_by_label("E-mail address").fill(seed.EMAIL)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("The e-mail address or the password is wrong.")
    page.get_by_label("Password").fill(seed.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/m/1\?range=1h$"))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/")
    expect(page).to_have_url(re.compile(r"/sign-in$"))


def test_the_overview_says_what_is_wrong(new_page: NewPage) -> None:
    page = new_page()
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 of 6 monitors has a problem")
    first = page.locator(".monitors > li").first
    expect(first).to_contain_text("Slow from 2 of 5 locations")
    # One that fails from a single location is not down, but comes before those that are well.
    second = page.locator(".monitors > li").nth(1)
    expect(second).to_contain_text(CHECKOUT)
    expect(second).to_have_class("up")
    expect(second).to_contain_text("Up from 4 of 5 locations; failing from Singapore")
    expect(second).to_contain_text(re.compile(r"Singapore: TCP connect timed out, since .*CET"))
    expect(page.locator("#live")).to_contain_text("Live")
    keep_picture(page, "overview", for_the_readme=True)
    tags = page.get_by_role("navigation", name="Tags")
    expect(tags.get_by_role("link").nth(1)).to_have_text(re.compile(r"api\s+1 of 1 with"))
    tags.get_by_role("link", name="shop").click()
    expect(page).to_have_url(re.compile(r"tag=shop$"))
    expect(page.locator(".monitors > li")).to_have_count(4)
    page.get_by_label("Filter").fill("cdn")
    expect(page.locator(".monitors > li")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=cdn"))
    page.get_by_label("Filter").fill("nothing like it")
    expect(page.get_by_text("name or address contains")).to_be_visible()


def test_the_monitors_page(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    page.goto("/")
    page.get_by_role("link", name=CHECKOUT).click()
    expect(page.locator("#verdicts .now.up")).to_contain_text("failing from Singapore")
    expect(page.locator("#verdicts")).to_contain_text("Below your 2-location rule")
    expect(page.locator("#verdicts")).to_contain_text(
        # Forty, until the first of them is older than a day.
        re.compile(r"of 7,\d{3} checks passed; (40|3\d) missing")
    )
    expect(page.locator("#verdicts")).to_contain_text("81 days")
    expect(page.locator("canvas")).to_have_count(5)
    assert page.evaluate(_STACKS) == [STACK] * 5
    assert page.evaluate(_SERIES_ASKED_BY) == ["link"], "once, and ahead of the script"
    page.locator(".chart .u-over").nth(2).hover()
    expect(page.locator("#readout")).to_contain_text(re.compile(r"São Paulo, .* ms total \(DNS"))
    legend = page.locator("#charts .legend li:visible")
    expect(legend).to_have_text([*PHASES, "No result", "Failed"])
    keep_picture(page, "monitor-page", for_the_readme=True)


def test_the_map_leads_to_a_location(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    with page.expect_response("**/land.svg") as drawn:
        page.goto(f"/m/{centre.monitor(CHECKOUT)}")
    assert drawn.value.ok
    world = page.get_by_role("group", name=re.compile("^Map of the locations: Singapore, Down"))
    expect(world.locator("text")).to_have_count(5)
    boxes = [each.bounding_box() for each in world.locator("text").all()]
    assert not any(_overlap(*pair) for pair in combinations(boxes, 2))
    world.get_by_role("link", name="Frankfurt, Up").click()
    expect(page).to_have_url(re.compile(r"loc=fra"))


def _overlap(one: Any, other: Any) -> bool:
    """Whether two boxes share more than a hair."""
    return all(
        min(one[at] + one[size], other[at] + other[size]) - max(one[at], other[at]) > 1
        for at, size in (("x", "width"), ("y", "height"))
    )


_SERIES_ASKED_BY = """() => performance.getEntriesByType("resource")
  .filter((entry) => entry.name.includes("/series.json"))
  .map((entry) => entry.initiatorType)"""

# Of each chart the phases that stand one upon the other, from below, where most of them show.
_STACKS = """() => {
  const style = getComputedStyle(document.documentElement);
  const phases = new Map(["dns", "connect", "tls", "wait", "receive"].map((name) => {
    const hex = style.getPropertyValue(`--${name}`).trim();
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return [new Uint32Array(new Uint8Array([red, green, blue, 255]).buffer)[0], name];
  }));
  return [...document.querySelectorAll("canvas")].map((canvas) => {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const pixels = new Uint32Array(data.buffer);
    let most = [];
    for (let x = 0; x < width; x += 1) {
      const found = [];
      for (let y = height - 1; y >= 0; y -= 1) {
        const name = phases.get(pixels[y * width + x]);
        if (name && name !== found.at(-1)) found.push(name);
      }
      if (found.length > most.length) most = found;
    }
    return most;
  });
}"""
STACK = ["dns", "connect", "tls", "wait", "receive"]


# Of each chart the most pixels of a row that are of the colour of what is slow.
_LIMITS = """() => [...document.querySelectorAll("#charts canvas")].map((canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const pixels = new Uint32Array(data.buffer);
  const slow = new Uint32Array(new Uint8Array([0x9a, 0x5b, 0x00, 255]).buffer)[0];
  const rows = new Map();
  pixels.forEach((pixel, at) => {
    const row = Math.floor(at / width);
    if (pixel === slow) rows.set(row, (rows.get(row) ?? 0) + 1);
  });
  return Math.max(0, ...rows.values());
})"""


def test_the_limit_for_slowness_is_a_line_in_its_charts(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    page.goto(f"/m/{centre.monitor('Sign-in API')}?range=1h")
    expect(page.locator("canvas")).to_have_count(5)
    expect(page.locator("#charts .legend")).to_contain_text("Slow above 900 ms")
    # Dashed, over the whole width: the scale of all reaches to the slowest.
    assert min(page.evaluate(_LIMITS)) > 100
    page.get_by_role("link", name="Waiting for first byte").click()
    expect(page.locator("canvas")).to_have_count(1)
    expect(page.locator("#charts .legend")).not_to_contain_text("Slow above")


@pytest.mark.parametrize(("width", "scheme"), [(1360, "light"), (390, "dark")])
def test_a_page_and_its_resources(
    new_page: NewPage, centre: Centre, width: int, scheme: str
) -> None:
    # In an account of its own: it is slow, and other tests say which monitors are.
    # Two, so that their minute's median is one of them, whatever else is in it.
    for _ in range(2):
        centre.new_page_result("Not yours", "fra")
    page = new_page(width=width, color_scheme=scheme, signed_in=False)
    sign_in(page, email=seed.OTHER_EMAIL)
    page.goto(f"/m/{centre.monitor('Not yours')}?range=15m&loc=fra")
    expect(page.locator('.legend [data-measure="resources"]')).to_be_visible()
    page.locator("#recent tbody a").first.click()
    rows = page.locator("table.resources tbody tr")
    expect(rows).to_have_count(16)
    expect(page.locator(".waterfall").first).to_contain_text("16 resources")
    expect(rows.nth(8).locator(".state.down")).to_have_text("404")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert rows.last.evaluate("(row) => row.offsetWidth - row.closest('.scroll').clientWidth") <= 0
    keep_picture(page, f"page-result-{width}")


def test_tags_are_headings_that_open_and_close(new_page: NewPage) -> None:
    page = new_page()
    page.goto("/")
    page.get_by_role("navigation", name="Tags").get_by_role("link", name="By tag").click()
    expect(page.get_by_role("heading", level=2)).to_have_text(
        [re.compile(tag) for tag in ("api", "payment", "shop", "No tag")]
    )
    shop = page.get_by_role("link", name=re.compile("^shop 4 monitors"))
    expect(shop).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".monitors > li")).to_have_count(7)
    shop.press("Enter")
    expect(shop).to_have_attribute("aria-expanded", "false")
    expect(shop).to_be_focused()
    expect(page.locator(".monitors > li")).to_have_count(3)
    expect(page).to_have_url(re.compile(r"group=tag&open=&open=UNTAGGED&open=api&open=payment#"))
    page.reload()
    expect(page.locator(".monitors > li")).to_have_count(3)
    page.go_back()
    expect(page.locator(".monitors > li")).to_have_count(7)
    keep_picture(page, "overview-by-tag")


def test_from_a_point_to_its_waterfall(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    page.goto(f"/m/{centre.monitor(REDIRECTED)}")
    expect(page.locator("canvas")).to_have_count(5)
    chart = page.locator("#charts").get_by_role("slider", name="Frankfurt")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(r"^Frankfurt, .* ms total"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/r/.*Z/fra"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Up from Frankfurt in")
    waterfall = page.get_by_role("table").first
    expect(waterfall.locator("tr.hop")).to_have_count(3)
    expect(waterfall).to_contain_text("http://old-shop.example.com/")
    expect(waterfall.locator("tfoot")).to_contain_text("ms")
    expect(page.get_by_role("heading", name="The same slot elsewhere")).to_be_visible()
    keep_picture(page, "result-page")
    page.get_by_role("link", name="Previous").click()
    page.get_by_role("link", name="Next").click()
    expect(page).to_have_url(re.compile(r"/r/.*Z/fra"))


def test_locations_are_compared_in_one_chart(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    page.goto(f"/m/{centre.monitor(CHECKOUT)}")
    page.get_by_role("link", name="Waiting for first byte").click()
    expect(page).to_have_url(re.compile(r"compare=wait$"))
    expect(page.locator("canvas")).to_have_count(1)
    expect(page.locator("#charts .legend li")).to_have_count(6)
    chart = page.get_by_role("slider", name="All locations")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(chart).to_have_attribute(
        "aria-valuetext", re.compile(r"^Ashburn, .* ms wait \(.*Sydney")
    )
    page.keyboard.press("ArrowDown")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(r"^Frankfurt, .* ms wait"))
    keep_picture(page, "locations-compared")
    with page.expect_response("**/series.json*"):
        centre.new_result(CHECKOUT, "iad", 90_000)
    page.keyboard.press("ArrowLeft")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(r"^Frankfurt, .* ms wait"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/r/.*Z/fra"))


def test_drawn_charts_are_read_by_keys(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    page.goto(f"/m/{centre.monitor(CHECKOUT)}")
    spread = page.get_by_role("slider", name="Percentiles")
    spread.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(spread).to_have_attribute("aria-valuetext", re.compile(r"^\d+ Nov, \d.* CET: p50 .* ms"))
    expect(page.locator("#bands .pointed")).to_be_visible()
    expect(page.locator("#bands [data-readout]")).to_contain_text("p99")
    row = page.locator("#heat").get_by_role("slider", name="Singapore")
    row.focus()
    page.keyboard.press("End")
    expect(row).to_have_attribute("aria-valuetext", re.compile(r"^Singapore, .* failed$"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"from=.*&loc=sin"))


def test_a_failed_result_says_where_it_failed(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    page.goto(f"/m/{centre.monitor(CHECKOUT)}?loc=sin")
    page.locator("#recent tbody a").first.click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("TCP connect timed out from Singapore")
    failed = page.locator(".waterfall tr", has_text="failed here")
    expect(failed).to_contain_text("TCP connect")
    expect(page.locator(".waterfall tr", has_text="TLS handshake")).to_contain_text("not reached")


def test_dragging_zooms_and_escape_resets(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    page.goto(f"/m/{centre.monitor(CHECKOUT)}")
    expect(page.locator("canvas")).to_have_count(5)
    drawn = page.locator(".chart .u-over").first
    drawn.scroll_into_view_if_needed()
    box = drawn.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 50, steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"from=.*Z&to=.*Z"))
    expect(page.locator("#verdicts")).to_contain_text(re.compile(r"Availability, \d+ h"))
    page.locator("#charts").get_by_role("slider", name="Frankfurt").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#verdicts")).to_contain_text("Availability, 24 h")
    page.go_back()
    expect(page).to_have_url(re.compile(r"from="))
    expect(page.locator("#verdicts")).not_to_contain_text("Availability, 24 h")


@pytest.mark.parametrize("path", ["/", "/m/{checkout}", "/m/{checkout}/latest"])
def test_a_phone_needs_no_sideways_scrolling(new_page: NewPage, centre: Centre, path: str) -> None:
    page = new_page(width=390)
    page.goto(path.removesuffix("/latest").format(checkout=centre.monitor(CHECKOUT)))
    if path.endswith("latest"):
        page.locator("#recent tbody a").first.click()
        page.wait_for_url("**/r/**")
    elif path != "/":
        expect(page.locator("canvas")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    keep_picture(page, f"phone-{'overview' if path == '/' else path.rsplit('/')[-1].strip('{}')}")


def test_a_cause_has_a_line_of_its_own_on_a_phone(new_page: NewPage, centre: Centre) -> None:
    page = new_page(width=390)
    page.goto(f"/m/{centre.monitor(CHECKOUT)}")
    failed = page.locator("#recent tbody tr:has(.state.down)").first
    boxes = "cells => cells.map(each => each.getBoundingClientRect().toJSON())"
    *_, head = page.locator("#recent thead th:visible").evaluate_all(boxes)
    time, _, outcome, total = failed.locator("td:visible").evaluate_all(boxes)
    assert outcome["x"] == time["x"]
    assert outcome["y"] > time["y"]
    assert outcome["width"] > 300
    assert total["right"] == head["right"]


def test_dark_mode(new_page: NewPage, centre: Centre) -> None:
    page = new_page(color_scheme="dark")
    page.goto(f"/m/{centre.monitor(CHECKOUT)}")
    expect(page.locator("canvas")).to_have_count(5)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 22)"
    assert page.evaluate(_STACKS) == [STACK] * 5
    keep_picture(page, "monitor-page-dark")


def test_times_are_local_and_utc_on_request(new_page: NewPage, centre: Centre) -> None:
    page = new_page()
    page.goto(f"/m/{centre.monitor(CHECKOUT)}")
    expect(page.locator("footer")).to_contain_text("Times in Europe/Berlin")
    local = page.locator("#locations tbody time").first
    utc = (local.get_attribute("datetime") or "")[11:13]
    expect(local).to_have_text(re.compile(rf"^{(int(utc) + 1) % 24:02d}:"))
    page.get_by_role("link", name="Use UTC").click()
    expect(page.locator("footer")).to_contain_text("Times in UTC")
    expect(page.locator("#locations tbody time").first).to_have_text(re.compile(rf"^{utc}:|^\d"))
    expect(page.locator("#verdicts")).to_contain_text("UTC")


def test_everything_can_be_read_without_scripts(new_page: NewPage, centre: Centre) -> None:
    page = new_page(java_script_enabled=False)
    page.goto("/")
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("link", name=CHECKOUT).click()
    picture = page.locator("#charts img.picture")
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("(image) => image.decode().then(() => image.height)") > 900
    # Of the phases that it lacks none is offered.
    offered = page.locator("#chart-kinds a:visible").all_text_contents()
    assert offered[1:4] == ["Total", "DNS lookup", "TCP connect"]
    assert not {"Redirects", "Resources of the page"} & set(offered)
    # Its phases stand in the picture, which knows them.
    expect(page.locator("#charts .legend li:visible")).to_have_text(["No result", "Failed"])
    expect(page.locator("#verdicts")).to_contain_text("UTC")
    keep_picture(page, "monitor-page-without-scripts")
    expect(page.locator(".charts")).to_be_hidden()
    assert not any("series.json" in url for url in asked), "what only a script can draw"
    page.get_by_role("link", name="1 h").click()
    expect(page.locator("#verdicts")).to_contain_text("Availability, 1 h")
    page.locator("#recent tbody a").first.click()
    expect(page.get_by_role("heading", name="Waterfall")).to_be_visible()


def test_paper_is_white_and_nothing_is_wider_than_it(new_page: NewPage, centre: Centre) -> None:
    """On A4 with Chromium's margins, from a dark screen."""
    incident_id = centre.new_incident("Home page", "fra", "iad", is_open=False)
    page = new_page(color_scheme="dark")
    monitor = f"/m/{centre.monitor('Sign-in API')}?range=1h&compare=total"
    report = f"/reports?month={datetime.now(UTC):%Y-%m}&limit=1000"
    try:
        for path in ("/", monitor, f"/incidents/{incident_id}", report):
            page.goto(path)
            if path == monitor:
                expect(page.locator("canvas")).to_have_count(1)
                page.evaluate("document.querySelector('canvas').className = 'on-screen'")
            page.set_viewport_size({"width": 718, "height": 1046})
            page.emulate_media(media="print")
            ink = "getComputedStyle(document.body).color"
            assert page.evaluate(ink) == "rgb(20, 28, 38)", path
            widths = "[document.documentElement.scrollWidth, innerWidth]"
            wide, paper = page.evaluate(widths)
            assert wide <= paper, path
            assert not page.locator(".button, .data").filter(visible=True).count(), path
            if path == monitor:
                # Its chart is drawn once more: in light colours, the limit's too.
                expect(page.locator("canvas:not(.on-screen)")).to_have_count(1)
                assert min(page.evaluate(_LIMITS)) > 100
            page.emulate_media(media="screen")
            page.set_viewport_size({"width": 1360, "height": 900})
            assert page.evaluate(ink) != "rgb(20, 28, 38)", path
    finally:
        centre.execute("DELETE FROM vantage.incidents")


def test_another_accounts_monitor_is_not_there(new_page: NewPage, centre: Centre) -> None:
    page = new_page(signed_in=False)
    sign_in(page, email=seed.OTHER_EMAIL)
    expect(page.get_by_role("heading", level=1)).to_contain_text("The monitor is up")
    answer = page.goto(f"/m/{centre.monitor(CHECKOUT)}")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
