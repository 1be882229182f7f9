"""The stream that tells open pages of new results."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dashboard.live import HEARTBEAT_S
from tests.integration.dashboard.conftest import Visitor
from tests.support.processes import wait_until
from tests.support.report_centre import Centre


class Stream:
    """The lines of an open event stream."""

    def __init__(self, visitor: Visitor, address: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", visitor.centre.port, timeout=60)
        self._connection.request("GET", address, headers={"Cookie": visitor.cookie})
        self.response = self._connection.getresponse()

    def next_data(self) -> str:
        """The next event's data; comments and the first lines are passed over."""
        while line := self.response.readline().decode():
            if line.startswith("data:"):
                return line.removeprefix("data:").strip()
        raise AssertionError("the stream ended")

    def close(self) -> None:
        self.response.close()
        self._connection.close()


@contextmanager
def stream(visitor: Visitor, address: str = "/live") -> Iterator[Stream]:
    opened = Stream(visitor, address)
    try:
        # The first line is sent when the reader is registered.
        assert opened.response.readline().startswith(b"retry:")
        yield opened
    finally:
        opened.close()


def test_a_result_is_told_at_once(visitor: Visitor, centre: Centre) -> None:
    with stream(visitor) as opened:
        centre.new_result("Home page", "fra", 50_000)
        began = time.monotonic()
        assert opened.next_data() == str(centre.monitor("Home page"))
        # Milliseconds, unless the machine has stopped; not at the next heartbeat.
        assert time.monotonic() - began < HEARTBEAT_S - 5


def test_what_comes_between_a_page_and_its_stream_is_told(visitor: Visitor, centre: Centre) -> None:
    # As a page asks, once its script runs.
    [address] = re.findall(r'data-live="(/live\?since=\d+)"', visitor.ask("/").text)
    centre.new_result("Home page", "fra", 50_000)
    # It has been heard.
    with stream(visitor) as before:
        centre.execute("SELECT pg_notify('vantage_results', %(ids)s)", ids="1,2")
        before.next_data()
    with stream(visitor, address) as opened:
        assert str(centre.monitor("Home page")) in opened.next_data().split(",")
    assert visitor.ask("/live?since=yesterday").status == 400


def test_only_ones_own_monitors_are_told(other_visitor: Visitor, centre: Centre) -> None:
    own, others = centre.monitor("Not yours"), centre.monitor("Home page")
    with stream(other_visitor) as opened:
        centre.execute("SELECT pg_notify('vantage_results', %(ids)s)", ids=f"{others}")
        centre.execute("SELECT pg_notify('vantage_results', %(ids)s)", ids=f"{others},{own}")
        assert opened.next_data() == str(own)


def test_an_empty_payload_concerns_everybody(visitor: Visitor, centre: Centre) -> None:
    with stream(visitor) as opened:
        centre.execute("NOTIFY vantage_results")
        assert opened.next_data() == ""


def test_listening_survives_the_loss_of_its_connection(visitor: Visitor, centre: Centre) -> None:
    with stream(visitor) as opened:
        ended = centre.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'vantage-dashboard-live'
            """
        )
        assert ended == [(True,)]
        # On its return it tells everybody that something may have been missed.
        assert opened.next_data() == ""
        wait_until(
            lambda: centre.program.said().count("listening_started") >= 2, what="listening again"
        )
        centre.new_result("Home page", "fra", 50_000)
        assert opened.next_data() == str(centre.monitor("Home page"))
