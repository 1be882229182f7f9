from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from dashboard.access_log import AccessLog, shortened
from dashboard.errors import DashboardError

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def scope(**more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": "/m/7",
        "headers": [(b"user-agent", b"Opera\r\n\xff"), (b"host", b"reports.example")],
        "client": ("192.0.2.77", 4711),
        "route": Route("/m/{monitor_id:int}", lambda: None),
        **more,
    }


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_who_came_and_not_what_for(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log")
    log.open(NOON)
    log.write(scope(), 200, NOON)
    [line] = lines(tmp_path / "access.log")
    assert line == {
        "at": "2026-11-25T12:00:00Z",
        "address": "192.0.2.77",
        "browser": "Opera\r\nÿ",
        "host": "reports.example",
        "method": "GET",
        "route": "/m/{monitor_id:int}",
        "status": 200,
    }
    assert (tmp_path / "access.log").stat().st_mode & 0o777 == 0o600
    log.close()


def test_routes_are_told_and_never_paths(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log")
    log.open(NOON)
    mounted = Route("/monitors/{monitor_id}", lambda: None)
    log.write(scope(route=mounted, root_path="/api/v1"), 200, NOON)
    log.write(scope(route=None, client=None), 404, NOON)
    log.close()
    found = lines(tmp_path / "access.log")
    assert [line["route"] for line in found] == ["/api/v1/monitors/{monitor_id}", None]
    assert found[1]["address"] is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0"),
        ("::ffff:192.0.2.77", "192.0.2.0"),
        ("2001:db8:1:2::3", "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("", None),
        (None, None),
        ("unix", None),
    ],
)
def test_addresses_are_shortened(address: str | None, network: str | None) -> None:
    assert shortened(address) == network


def test_the_network_alone_is_written_where_that_is_wanted(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log", anonymise=True)
    log.open(NOON)
    log.write(scope(), 200, NOON)
    log.close()
    assert lines(tmp_path / "access.log")[0]["address"] == "192.0.2.0"
    assert "192.0.2.77" not in (tmp_path / "access.log").read_text()


def test_every_day_has_its_file_and_old_ones_go(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    other = tmp_path / "access.log.2020-01-01.gz"
    other.touch()
    log = AccessLog(path, keep_days=3)
    log.open(NOON)
    for days in range(5):
        log.write(scope(), 200 + days, NOON + timedelta(days=days))
    assert {each.name for each in tmp_path.iterdir()} == {
        "access.log", "access.log.2026-11-27", "access.log.2026-11-28", other.name}  # fmt: skip
    assert lines(tmp_path / "access.log.2026-11-28")[0]["status"] == 203
    # Nobody comes any more, and still they go.
    log.turn(NOON + timedelta(days=30))
    log.close()
    assert {each.name for each in tmp_path.iterdir()} == {"access.log", other.name}
    assert lines(path) == []


def test_what_was_written_before_a_restart_stays_and_gets_its_day(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    for day in (NOON, NOON + timedelta(hours=1), NOON + timedelta(days=2)):
        log = AccessLog(path)
        log.open(day)
        log.write(scope(), 200, day)
        log.close()
        os.utime(path, (day.timestamp(), day.timestamp()))
    assert len(lines(tmp_path / "access.log.2026-11-25")) == 2
    assert len(lines(path)) == 1


def test_a_clock_put_back_loses_no_line(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log")
    log.open(NOON)
    for day in (0, 1, 0, 1):
        log.write(scope(), 200, NOON + timedelta(days=day))
    log.close()
    assert sum(len(lines(each)) for each in tmp_path.iterdir()) == 4


def test_a_file_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DashboardError, match=r"cannot be written: No such file .*--access-log"):
        AccessLog(tmp_path / "no" / "such").open(NOON)
