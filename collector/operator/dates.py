"""Months, days and times as people write them for options."""

from __future__ import annotations

from datetime import datetime

import click


class Dated(click.ParamType[datetime]):
    """A date or time in one of some forms of ``strptime``. ``written``: the form, for people."""

    def __init__(self, name: str, written: str, example: str, *forms: str) -> None:
        self.name = name
        self.written = written
        self.example = example
        self.forms = forms

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self.written.replace(" ", "T")

    def convert(self, value: object, param: object, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        for form in self.forms:
            try:
                return datetime.strptime(str(value), form)
            except ValueError:
                continue
        raise click.BadParameter(
            f"{str(value)!r} is no {self.name}. Write {self.written}, such as {self.example}."
        )


MONTH = Dated("month", "YYYY-MM", "2026-11", "%Y-%m")
DAY = Dated("day", "YYYY-MM-DD", "2026-11-30", "%Y-%m-%d")
TIME = Dated(
    "time",
    "YYYY-MM-DD HH:MM",
    "'2026-11-30 02:00'",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
)
