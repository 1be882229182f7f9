"""vantage apply and vantage export: what is watched, as files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from collector import db
from collector.config import application, configuration, kinds, plan
from collector.config.export import export as exported
from collector.errors import CollectorError
from collector.keyring import Keyring
from collector.operator.target import on_database
from collector.operator.terms import keyring_option


def is_asked() -> bool:
    """Tell whether there is somebody who could answer a question."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def tell(done: int, total: int) -> None:
    """Show on a terminal how far it is; nothing once it is done."""
    if sys.stderr.isatty():
        text = f"\r{done:,} of {total:,}" if done < total else "\r\x1b[K"
        click.echo(text, nl=False, err=True)


def print_schema(context: click.Context, _parameter: click.Parameter, is_wanted: bool) -> None:
    """Print what files may hold, and do nothing else."""
    if is_wanted:
        click.echo(json.dumps(kinds.schema(), indent=2, ensure_ascii=False))
        context.exit()


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE|DIRECTORY...",
    type=click.Path(path_type=Path, exists=True, allow_dash=True),
)
@click.option("--plan", "is_plan", is_flag=True, help="Show what would change; change nothing.")
@click.option("--prune", is_flag=True, help="Remove what files defined before and define no more.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts, and do not ask.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_schema,
    help="Print the files' JSON Schema and exit.",
)
@on_database
@keyring_option
def apply(
    files: Sequence[Path],
    is_plan: bool,
    prune: bool,
    yes: bool,
    as_json: bool,
    keyring: Keyring,
    url: str,
) -> None:
    """Bring monitors, alert rules and more to what files say.

    FILE -: standard input. All of it or nothing. On a terminal, shows what will change and asks
    first. docs/configuration.md explains the files.
    """
    documents = configuration.read(files)

    def run(*, commit: bool, expected: list[plan.Change] | None = None) -> list[plan.Change]:
        with db.session(url) as connection:
            changes = application.apply(
                connection, documents, keyring=keyring, prune=prune, is_plan=not commit, tell=tell
            )
            if expected not in (None, changes):
                raise CollectorError("Something changed since you were asked; run it again.")
            if not commit:
                connection.rollback()
        return changes

    asks = not (yes or as_json or is_plan) and is_asked()
    changes = run(commit=not (is_plan or asks))
    click.echo(plan.as_json(changes, is_applied=not is_plan) if as_json else plan.as_text(changes))
    if asks and changes:
        if not click.confirm("Apply?"):
            raise CollectorError("Nothing was changed.")
        run(commit=True, expected=changes)
    if changes and not (is_plan or as_json):
        click.echo("Applied.")


@click.command()
@click.option("--account", "accounts", multiple=True, help="Repeatable.  [default: all]")
@on_database
@keyring_option
def export(accounts: Sequence[str], keyring: Keyring, url: str) -> None:
    """Print what there is as a file for vantage apply.

    Applied again, it changes nothing. Secrets stay where they are: the file says that they are
    stored.
    """
    with db.session(url) as connection:
        click.echo(exported(connection, accounts, keyring), nl=False)
