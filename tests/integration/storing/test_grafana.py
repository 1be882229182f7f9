"""Every query of deploy/grafana's dashboards, run as Grafana would, over three seeded hours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from psycopg.rows import DictRow, dict_row

from tests.support.database import Databases
from tests.support.seed import seed

FOLDER = Path(__file__).parents[3] / "deploy" / "grafana"
BOARDS = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("dashboards/*.json")}
PANELS = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]]
NOW = datetime.now(UTC)
INTERVAL = timedelta(minutes=1)  # of every monitor that is seeded


@pytest.fixture(scope="module")
def reader(databases: Databases) -> Iterator[psycopg.Connection[DictRow]]:
    with databases.migrated() as database:
        seed(database.url(), now=NOW, length=timedelta(hours=3))
        url = database.url(role="vantage_reader")
        with psycopg.connect(url, row_factory=dict_row) as connection:
            yield connection


def expanded(sql: str, length: timedelta = timedelta(days=1)) -> str:
    """Put in what Grafana's macros and variables stand for, on a panel 300 pixels wide."""
    span = [f"'{at:%Y-%m-%dT%H:%M:%SZ}'" for at in (NOW - length, NOW)]
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {span[0]} AND {span[1]}", sql)
    values = {
        "$__timeFrom()": span[0],
        "$__timeTo()": span[1],
        "$__interval_ms": str(length // timedelta(milliseconds=300)),
        "${location:sqlstring}": "'fra', 'sin', 'gru'",
        "$monitor": "1",
    }
    for name, value in values.items():
        sql = sql.replace(name, value)
    assert "$" not in sql, sql
    return sql


@pytest.mark.parametrize("length", [timedelta(days=1), timedelta(minutes=10)], ids=str)
@pytest.mark.parametrize(("board", "panel"), PANELS, ids=lambda each: str(each)[:40])
def test_a_panel_has_rows(
    reader: psycopg.Connection[DictRow], board: str, panel: dict[str, Any], length: timedelta
) -> None:
    [target] = panel["targets"]
    rows = reader.execute(expanded(target["rawSql"], length).encode()).fetchall()
    assert rows, panel["title"]
    if panel["type"] == "timeseries":
        assert isinstance(rows[0]["time"], datetime)
        times = [row["time"] for row in rows]
        assert times == sorted(times)
        # Or a point would hold only some of the locations.
        assert all(later - at >= INTERVAL for at, later in pairwise(sorted(set(times))))
    values = [value for row in rows for name, value in row.items() if name != "time"]
    assert any(value is not None for value in values), panel["title"]


@pytest.mark.parametrize("board", list(BOARDS))
def test_variables_offer_something(reader: psycopg.Connection[DictRow], board: str) -> None:
    for variable in BOARDS[board]["templating"]["list"]:
        assert reader.execute(expanded(variable["query"]).encode()).fetchall(), variable["name"]


def test_what_is_asked_for_is_provisioned() -> None:
    [source] = yaml.safe_load((FOLDER / "provisioning/datasources/vantage.yaml").read_text())[
        "datasources"
    ]
    assert source["user"] == "vantage_reader"
    for _, panel in PANELS:
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
        assert panel["targets"][0]["datasource"] == panel["datasource"]
    identities = [board["uid"] for board in BOARDS.values()]
    assert len(set(identities)) == len(BOARDS) == 2
    for board in BOARDS.values():
        taken = [panel["gridPos"] for panel in board["panels"]]
        cells = [
            (x, y)
            for place in taken
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("board", list(BOARDS))
def test_every_field_is_one_that_grafana_knows(board: str) -> None:
    """Grafana's own model of a dashboard drops what it does not know, without a word."""
    register_default_plugins()
    understood = JSONEncoder().encode(Dashboard.from_json(BOARDS[board]))
    assert _covers(json.loads(understood), BOARDS[board])


def _covers(understood: Any, said: Any) -> bool:
    if isinstance(said, dict):
        return all(name in understood and _covers(understood[name], said[name]) for name in said)
    if isinstance(said, list):
        return len(understood) == len(said) and all(map(_covers, understood, said))
    return bool(understood == said)
