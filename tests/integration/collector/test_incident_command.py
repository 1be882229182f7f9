"""`vantage incident`: what is out, and what people do about it."""

from __future__ import annotations

import json

from click.testing import CliRunner

from collector.operator.main import main
from tests.support import tenant
from tests.support.collector import fetch
from tests.support.database import Database


def test_incidents_are_listed_taken_on_and_noted(database: Database) -> None:
    tenant.plant(database.url())
    url = database.url(role="vantage_collector")

    def vantage(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["incident", *arguments, f"--database={url}"])
        return result.exit_code, result.output

    fetch(database.url(), "UPDATE vantage.incidents SET acknowledged_at = NULL,"
          " acknowledged_by = NULL RETURNING id")  # fmt: skip
    code, said = vantage("list", "--open", "--json")
    assert code == 0
    assert [(each["id"], each["state"]) for each in json.loads(said)] == [(4711, "open")]
    assert json.loads(vantage("list", "--monitor=4712", "--json")[1]) == []
    assert "xyzzy takes on" in vantage("ack", "4711", "--by=xyzzy")[1]
    assert vantage("ack", "4711", "--by=other") == (
        1,
        "Error: Incident 4711 was taken on by xyzzy already.\n",
    )
    assert vantage("note", "4711", " Disk full. ", "--by=xyzzy") == (0, "Noted.\n")
    assert vantage("note", "4711", " ")[0] == 1
    assert vantage("show", "1") == (
        1,
        "Error: There is no incident 1. See: vantage incident list\n",
    )
    shown = json.loads(vantage("show", "4711", "--json")[1])[0]
    assert [event["kind"] for event in shown["events"]][:2] == ["acknowledged", "noted"]
    assert shown["events"][1]["detail"] == "Disk full."
    code, said = vantage("show", "4711")
    assert code == 0
    assert "xyzzy is down" in said
    assert "Nobody is told" not in said
    fetch(database.url(), "UPDATE vantage.incidents SET silenced_by = id RETURNING id")
    assert (
        "Nobody is told: something it depends on is down, incident 4711."
        in vantage("show", "4711")[1]
    )
