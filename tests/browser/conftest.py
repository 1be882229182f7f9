"""A real Chromium on a real report centre; what the browser complains about fails the test."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from tests.support import seed
from tests.support.chromium import chromium_path
from tests.support.database import Databases
from tests.support.report_centre import Centre, centre_of_all
from tests.support.sharing import run_folder

# How long a page takes says more about the machine's other work than about ours.
expect.set_options(timeout=15_000)

ROOT = Path(__file__).parents[2]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def running_centre(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Centre]:
    home = tmp_path_factory.mktemp("report-centre")
    folder = run_folder(tmp_path_factory)
    with centre_of_all(databases, home, folder, length=timedelta(hours=26)) as started:
        yield started


@pytest.fixture
def centre(running_centre: Centre) -> Centre:
    running_centre.catch_up()
    return running_centre


# Playwright's event loop runs in this thread for as long as it is there, and no other can: so it
# must be gone before the asynchronous tests of other modules.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    started = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
    yield started
    started.close()


NewPage = Callable[..., Page]


@pytest.fixture
def new_page(browser: Browser, centre: Centre) -> Iterator[NewPage]:
    """Open a page in a browser of its own, which shows nothing yet and may be signed in.

    At the end nothing must have been complained about.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # Chromium reports an answer of 400 and above as an error; those are asserted by tests.
        is_expected = any(f"status of {status}" in message.text for status in ("4", "503"))
        if message.type in ("error", "warning") and not is_expected:
            complaints.append(message.text)

    def open_page(*, width: int = 1360, signed_in: bool = True, **options: Any) -> Page:
        context = browser.new_context(
            base_url=centre.address,
            viewport={"width": width, "height": 900},
            **{"locale": "en-GB", "timezone_id": "Europe/Berlin", **options},
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if signed_in:
            let_in(context)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def let_in(context: BrowserContext) -> None:
    """Sign in without a look at it: two pages less to draw."""
    found = re.search(r'name="csrf" value="([^"]+)"', context.request.get("/sign-in").text())
    assert found
    form = {"email": seed.EMAIL, "password": seed.PASSWORD, "csrf": found[1]}
    assert context.request.post("/sign-in", form=form).url.endswith("/")


def sign_in(page: Page, *, email: str = seed.EMAIL, password: str = seed.PASSWORD) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


def keep_picture(page: Page, name: str, *, for_the_readme: bool = False) -> None:
    """Save what the page looks like, in tests/artefacts; where asked to, the README's pictures too.

    ``make test`` asks for none: they would be a third of what it takes to look at every page.
    """
    wanted = os.environ.get("VANTAGE_SAVE_SCREENSHOTS")
    if wanted == "none":
        return
    artefacts = ROOT / "tests" / "artefacts"
    artefacts.mkdir(exist_ok=True)
    page.screenshot(path=artefacts / f"{name}.png", full_page=True)
    if for_the_readme and wanted == "1":
        page.screenshot(path=ROOT / "docs" / "images" / f"{name}.png", full_page=True)
