"""vantage import: what is watched by other tools, as a file for vantage apply."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from collector.importing import blackbox, gatus, uptime_kuma

CONVERTERS = {
    "blackbox": blackbox.convert,
    "gatus": gatus.convert,
    "uptime-kuma": uptime_kuma.convert,
}


@click.command("import")
@click.argument("tool", type=click.Choice(list(CONVERTERS)))
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
def import_(tool: str, files: Sequence[Path]) -> None:
    """Print what another tool watches as a file for vantage apply.

    blackbox: the configurations of blackbox_exporter and of Prometheus; gatus: its configuration;
    uptime-kuma: the JSON of its backup. What could not be carried over is in comments.
    """
    found = CONVERTERS[tool](files)
    names = ", ".join(file.name for file in files)
    click.echo(found.as_yaml(f"{tool}: {names}"), nl=False)
    click.echo(
        f"{len(found.monitors)} found, {found.remarks} remarks in the comments. Read them, then: "
        "vantage apply FILE --plan",
        err=True,
    )
