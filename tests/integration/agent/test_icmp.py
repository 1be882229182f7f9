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
    assert well["ping_min_us"] < ROUND_TRIP_US + 10_000
    # All that while the loop was busy for longer; see the trial.
    assert well["wait_us"] < ROUND_TRIP_US + 25_000
    assert not well["suspect"]


def test_an_address_that_does_not_answer_is_not_the_last(found: dict[str, dict[str, Any]]) -> None:
    several = found["several"]
    assert (several["outcome"], several["target_ip"]) == ("up", delaylink.THERE)
    assert (several["pings_sent"], several["pings_received"]) == (5, 5)
    assert ROUND_TRIP_US <= several["wait_us"] < ROUND_TRIP_US + 100_000


def test_loss_is_counted(found: dict[str, dict[str, Any]]) -> None:
    half = found["half"]
    assert half["outcome"] == "up"
    assert half["pings_sent"] == 5
    assert 1 <= half["pings_received"] <= 4
    assert half["wait_us"] >= ROUND_TRIP_US


def test_loss_is_judged(found: dict[str, dict[str, Any]]) -> None:
    lossy = found["lossy"]
    assert (lossy["outcome"], lossy["failure"]) == ("down", "assertion_loss")
    assert 1 <= lossy["pings_received"] <= 4


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
        assert 290_000 <= failed["wait_us"] < 1_500_000
