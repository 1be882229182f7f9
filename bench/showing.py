"""How long the report centre's pages take, at the server and in a browser, and what they weigh.

    python -m bench.showing [--monitors 1000] [--whole 3] [--seconds 20] [--home DIR] [--json]

A private database is filled (see showing.sql), or one taken that bench.world keeps. Then a report
centre is asked as its readers ask it: fifty at once, then one after the other; and Chromium,
with an empty cache, opens each page.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from playwright.sync_api import sync_playwright

from bench.table import conditions, show
from bench.world import EMAIL, filled
from collector.local_db import DATABASE
from tests.support import seed
from tests.support.chromium import chromium_path
from tests.support.database import (
    Database,
    Databases,
    fetched_server,
    running,
    temporary_home,
)
from tests.support.report_centre import Centre, serving

READERS = 50
# As if agents had gone on: every pair's newest result once more, of now. Else every pair is missing
# after three minutes, and looked for.
FRESH = """
WITH standing AS (UPDATE vantage.standings SET slot_at = now())
INSERT INTO vantage.results
SELECT (jsonb_populate_record(newest.results, jsonb_build_object(
    'slot_at', now(), 'started_at', now(), 'received_at', now()))).*
FROM (
    SELECT DISTINCT ON (monitor_id, location) results
    FROM vantage.results
    WHERE slot_at > now() - INTERVAL '1 hour'
    ORDER BY monitor_id, location, slot_at DESC
) AS newest
"""
PAGES = {
    # What, its address, the limit of the server's p95 in milliseconds.
    "overview": ("/", 60),
    "overview, one tag": ("/?tag=team+3", 60),
    "monitor, 24 h": ("/m/1?range=24h", 60),
    "monitor, 7 days": ("/m/1?range=7d", 80),
    "series, 24 h": ("/m/1/series.json?range=24h&points=240", 40),
    "series, 7 days": ("/m/1/series.json?range=7d&points=240", 80),
    "series, 30 days": ("/m/1/series.json?range=30d&points=240", 80),
}
# The overview's with more than this many monitors.
MANY, MANY_MS = 100, 150
OPENED = ("overview", "monitor, 24 h", "monitor, 7 days")
PAINT_MS, DRAWN_MS, WEIGHT_KB = 400, 800, 150

# When the last of the charts was put in the page, far below the first screen too.
WATCH = """
new MutationObserver((_, observer) => {
  const frames = [...document.querySelectorAll("figure.chart .frame")];
  if (!frames.length || !frames.every((frame) => frame.querySelector("canvas"))) return;
  requestAnimationFrame(() => { window.drawnAt = performance.now(); });
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
READ = """() => {
  const entries = (kind) => performance.getEntriesByType(kind);
  const asked = [...entries("navigation"), ...entries("resource")]
    .filter((entry) => !entry.name.endsWith("/live"));
  return {
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
    drawn: window.drawnAt,
    requests: asked.length,
    bytes: asked.reduce((sum, entry) => sum + entry.encodedBodySize, 0),
  };
}"""


@dataclass(frozen=True)
class Client:
    """A signed-in reader without a browser."""

    address: str
    cookie: str

    def ask(self, path: str) -> tuple[float, int]:
        """Milliseconds and bytes of one answer; no bytes: it was refused as the server was busy."""
        headers = {"Cookie": self.cookie, "Accept": "text/html", "Accept-Encoding": "gzip"}
        began = time.perf_counter()
        asked = urllib.request.Request(self.address + path, headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=120) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            body = b""
        return (time.perf_counter() - began) * 1000, len(body)


@contextmanager
def centre(monitors: int, whole: int) -> Iterator[tuple[Centre, Callable[[], object]]]:
    """A report centre over a database that holds so much; and what makes its newest results new."""
    server = fetched_server()
    with temporary_home(on_disk=True) as home, running(home, server) as local:
        databases = Databases(local.url(database="postgres"), "vantage_template", count(1))
        databases.make_template()
        with databases.migrated() as database, tempfile.TemporaryDirectory() as place:
            fill(database, monitors, whole)
            with serving(database, Path(place)) as started:
                yield started, lambda: started.execute(FRESH)


@contextmanager
def kept_centre(home: Path) -> Iterator[tuple[Centre, Callable[[], object]]]:
    """The same over the database that is kept in a folder."""
    with (
        filled(None, home=home) as world,
        tempfile.TemporaryDirectory() as place,
        serving(Database(world.url, DATABASE), Path(place)) as started,
    ):
        yield started, world.catch_up


def fill(database: Database, monitors: int, whole: int) -> None:
    """Run showing.sql, telling how long each statement took."""
    values = {
        "now": datetime.now(UTC),
        "monitors": monitors,
        "whole": whole,
        "password_hash": seed.HASHER.hash(seed.PASSWORD),
    }
    path = Path(__file__).with_suffix(".sql")
    with psycopg.connect(database.url(), cursor_factory=psycopg.ClientCursor) as connection:
        for name, statement in seed.statements(path).items():
            began = time.monotonic()
            connection.execute(statement.encode(), values)
            connection.commit()
            print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)


def percentile(values: list[float], part: float) -> float:
    """The value that ``part`` of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def at_the_server(client: Client, path: str, seconds: float) -> dict[str, float]:
    """Ask many at once, then one after the other, for so long each.

    In this order, as a connection plans each statement anew until it has run it a few times.
    """
    with ThreadPoolExecutor(READERS) as pool:
        each = pool.map(lambda _: _repeated(client, path, seconds), range(READERS))
        crowd = [answer for answers in each for answer in answers]
    alone = _repeated(client, path, seconds)
    times = [ms for ms, _ in alone]
    found = {
        "p50": statistics.median(times),
        "p95": percentile(times, 0.95),
        "crowd": percentile([ms for ms, _ in crowd], 0.95),
        "refused": 100 * sum(not size for _, size in crowd) / len(crowd),
        "kb": alone[-1][1] / 1024,
    }
    print(path, {name: round(value, 1) for name, value in found.items()}, flush=True)
    return found


def _repeated(client: Client, path: str, seconds: float) -> list[tuple[float, int]]:
    until = time.monotonic() + seconds
    answers = [client.ask(path)]
    while time.monotonic() < until:
        answers.append(client.ask(path))
    return answers


def in_a_browser(address: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """Sign in, then open each page with an empty cache; also returns the session's cookie."""
    found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(base_url=address, viewport={"width": 1360, "height": 900})
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto("/sign-in")
        page.get_by_label("E-mail address").fill(EMAIL)
        page.get_by_label("Password").fill(seed.PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        state = context.storage_state()
        for name in OPENED:
            runs = []
            for _ in range(5):
                fresh = browser.new_context(
                    base_url=address, storage_state=state, viewport={"width": 1360, "height": 900}
                )
                fresh.add_init_script(WATCH)
                opened = fresh.new_page()
                opened.goto(PAGES[name][0], wait_until="load")
                # The page's own policy lets nothing be waited for inside it.
                run = opened.evaluate(READ)
                while run["paint"] is None or (name != "overview" and run["drawn"] is None):
                    time.sleep(0.02)
                    run = opened.evaluate(READ)
                runs.append(run)
                fresh.close()
            runs.sort(key=lambda run: run["drawn"] or run["paint"])
            found[name] = runs[len(runs) // 2]
        cookie = "; ".join(f"{each['name']}={each['value']}" for each in state["cookies"])
        browser.close()
    return cookie, found


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--monitors", type=int, default=1000)
    parser.add_argument("--whole", type=int, default=3, help="how many have a whole week's results")
    parser.add_argument("--seconds", type=float, default=20, help="how long each is asked for")
    parser.add_argument("--home", type=Path, help="a folder that bench.world filled")
    parser.add_argument("--json", action="store_true", help="print JSON, and no table")
    options = parser.parse_args()
    machine = conditions()
    made = kept_centre(options.home) if options.home else centre(options.monitors, options.whole)
    with made as (started, freshen):
        ((monitors,),) = started.execute("SELECT count(*) FROM vantage.monitors")
        machine["monitors"] = monitors
        cookie, opened = in_a_browser(started.address)
        client = Client(started.address, cookie)
        served = {}
        for name, (path, _) in PAGES.items():
            freshen()
            served[name] = at_the_server(client, path, options.seconds)
    machine["load_after"] = round(os.getloadavg()[0], 2)
    if options.json:
        print(json.dumps({"machine": machine, "served": served, "opened": opened}, indent=2))
        return
    print(machine)
    show(
        f"At the server, milliseconds: {monitors:,} monitors x 20 locations",
        ("page", "p50", "p95", "limit", f"p95, {READERS} at once", "limit", "refused, %", "KB"),
        [
            (
                name,
                row["p50"],
                row["p95"],
                MANY_MS if monitors > MANY and name.startswith("overview") else PAGES[name][1],
                row["crowd"],
                400,
                row["refused"],
                row["kb"],
            )
            for name, row in served.items()
        ],
    )
    show(
        "In Chromium, empty cache, median of five; "
        f"limits {PAINT_MS} ms, {DRAWN_MS} ms, {WEIGHT_KB} KB",
        ("page", "first paint, ms", "charts drawn, ms", "requests", "KB"),
        [
            (name, row["paint"], row["drawn"], row["requests"], row["bytes"] / 1024)
            for name, row in opened.items()
        ],
    )


if __name__ == "__main__":
    main()
