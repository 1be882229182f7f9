"""What the programs say of their commands."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

import agent.cli
import collector.cli
import collector.operator.main
import dashboard.cli

PROGRAMS = {
    "vantage": collector.operator.main.main,
    "vantage-agent": agent.cli.main,
    "vantage-collector": collector.cli.main,
    "vantage-dashboard": dashboard.cli.main,
}


def groups(group: click.Group, name: str) -> Iterator[tuple[str, click.Group]]:
    yield name, group
    for command, each in group.commands.items():
        if isinstance(each, click.Group):
            yield from groups(each, f"{name} {command}")


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_list_of_commands_cuts_a_sentence_short(program: str) -> None:
    for name, group in groups(PROGRAMS[program], program):
        with click.Context(group, info_name=name, terminal_width=80) as context:
            lines = group.get_help(context).splitlines()
        assert not [line for line in lines[1:] if line.endswith("...")], name
