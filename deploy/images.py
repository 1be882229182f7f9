"""Builds both container images and proves that they work together: `make images`.

The images stay; everything that the proof started and made is gone afterwards.
"""

from __future__ import annotations

import time

import click

from deploy.command import proving
from deploy.engines import find_engine, size
from deploy.proof import prove

IMAGES = {"vantage-agent": "Dockerfile.agent", "vantage-collector": "Dockerfile.collector"}


def main() -> None:
    """Build, prove, and say so; exit with 1 and the reason otherwise."""
    started = time.monotonic()
    with proving():
        engine = find_engine()
        for image, dockerfile in IMAGES.items():
            click.echo(f"Building {image} with {engine.name} ...")
            engine.build(image, dockerfile)
            click.echo(f"  {size(engine, image)}")
        click.echo("Proving them: an agent in its image, a collector and a dashboard in theirs ...")
        click.echo(f"  {prove(engine)}")
    click.echo(f"proved, in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
