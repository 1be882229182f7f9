"""The fields of own words: senders, the database and docs/notifications.md know the same ones."""

from __future__ import annotations

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.types.json import Jsonb

from collector.telling.item import Item
from collector.telling.own_words import fields, worded
from tests.support.database import Database

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")


def test_the_fields_are_the_same_everywhere(database: Database) -> None:
    with psycopg.connect(database.url()) as connection:
        stored = connection.execute("SELECT * FROM vantage.notification_fields()").fetchall()
    lines = re.findall(r"^\| `\{(\w+)\}` \| (.*?) \| (?:(.*?) )?\|$", PAGE, re.MULTILINE)
    assert lines == stored
    known = fields(Item("", "up", ("",), ""), "closed", {}, ZoneInfo("UTC"))
    assert [name for name, _, _ in stored] == list(known)


@pytest.mark.parametrize("template", ["{a} {b}", "{{a}}", "{{{a}}}", "{{{{", "}}{a}", "ä\n{a_b}"])
def test_a_preview_shows_what_is_sent(database: Database, template: str) -> None:
    values = {"a": "1 {b}", "a_b": "2"}
    with psycopg.connect(database.url()) as connection:
        row = connection.execute("SELECT vantage.worded(%s, %s)", [template, Jsonb(values)])
        assert row.fetchone() == (worded(template, values),)
