"""What --help of the collector's program says."""

from __future__ import annotations

import click
import pytest

from collector.cli import main

OPTIONS = [
    pytest.param(option, id=f"{name} {option.opts[0]}")
    for name in ("serve", "notify", "migrate")
    for option in main.commands[name].params
    if isinstance(option, click.Option)
]


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_explained_and_its_variable_has_its_name(option: click.Option) -> None:
    assert option.help
    assert option.show_envvar
    # The variable's name is made of the parameter's.
    assert option.name == option.opts[0].removeprefix("--").replace("-", "_")
