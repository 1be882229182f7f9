"""Pings by the kernel's ping sockets, over a real network with a known round trip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import delaylink, ping_trial

ROOT = Path(__file__).parents[3]
ROUND_TRIP_US = round(2 * ping_trial.ONE_WAY_S * 1e6)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What came of each trial, by its name."""
    hosts = tmp_path_factory.mktemp("names") / "hosts"
    hosts.write_text(f"192.0.2.1 several.test\n{delaylink.THERE} several.test\n")
    run = subprocess.run(
        delaylink.argv(ping_trial.ONE_WAY_S, [sys.executable, ping_trial.__file__, str(hosts)]),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    results = [json.loads(line) for line in run.stdout.splitlines()]
    for each in results:
        phases = [each[f"{phase}_us"] for phase in ("connect", "tls", "send", "receive")]
        assert phases == [None] * 4
        assert (each["dns_us"] or 0) + (each["wait_us"] or 0) == each["total_us"]
        assert (each["http_status"], each["target_port"]) == (None, 0)
    return {each["name"]: each for each in results}


def test_the_mean_round_trip_is_the_wait(found: dict[str, dict[str, Any]]) -> None:
    well = found["well"]
    assert (well["outcome"], well["failure"]) == ("up", None)
    assert (well["pings_sent"], well["pings_received"]) == (5, 5)
    assert well["target_ip"] == delaylink.THERE
    assert well["local_ip"] == delaylink.HERE
    assert ROUND_TRIP_US <= well["ping_min_us"] <= well["wait_us"] <= well["ping_max_us"]
    assert well["ping_min_us"] < ROUND_TRIP_US + 50_000


def test_an_address_that_does_not_answer_is_not_the_last(found: dict[str, dict[str, Any]]) -> None:
    several = found["several"]
    assert (several["outcome"], several["target_ip"]) == ("up", delaylink.THERE)
    assert (several["pings_sent"], several["pings_received"]) == (5, 5)
    assert ROUND_TRIP_US <= several["ping_min_us"] < ROUND_TRIP_US + 50_000
    # The address before it is in no phase.
    assert several["wait_us"] <= several["ping_max_us"]


def test_a_busy_loop_lengthens_no_round_trip_and_raises_no_doubt(
    found: dict[str, dict[str, Any]],
) -> None:
    busy = found["busy"]
    assert (busy["outcome"], busy["pings_received"]) == ("up", 5)
    assert busy["ping_max_us"] < ROUND_TRIP_US + ping_trial.BUSY_US / 2
    assert busy["lag_us"] < ping_trial.BUSY_US / 2


def test_what_came_in_time_counts_though_it_is_read_late(found: dict[str, dict[str, Any]]) -> None:
    """The loop was busy from when the first was sent until there was no time left."""
    unread = found["unread"]
    assert unread["outcome"] == "up"
    assert 1 <= unread["pings_received"] == unread["pings_sent"] < 5


def test_loss_is_counted(found: dict[str, dict[str, Any]]) -> None:
    half = found["half"]
    assert half["outcome"] == "up"
    assert (half["pings_sent"], half["pings_received"]) == (5, 3)
    assert half["wait_us"] >= ROUND_TRIP_US


def test_loss_is_judged(found: dict[str, dict[str, Any]]) -> None:
    lossy = found["lossy"]
    assert (lossy["outcome"], lossy["failure"]) == ("down", "assertion_loss")
    assert lossy["pings_received"] == 3


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("silent", "ping_timeout", "none came back"),
        ("no route", "connect_unreachable", "unreachable"),
        ("forbidden", "ping_forbidden", "net.ipv4.ping_group_range"),
        ("guarded", "address_forbidden", "--allow-network"),
    ],
)
def test_failures(found: dict[str, dict[str, Any]], name: str, code: str, words: str) -> None:
    failed = found[name]
    assert (failed["outcome"], failed["failure"]) == ("down", code)
    assert words in failed["detail"]
    assert (failed["pings_received"] or 0) == 0
    if name == "silent":
        # Well before what is otherwise waited for the last.
        assert ping_trial.LIMIT_US - 10_000 <= failed["wait_us"] < 2_400_000
