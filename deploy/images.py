"""Builds both container images and proves that they work together: `make images`.

The images stay; everything that the proof started and made is gone afterwards.
"""

from __future__ import annotations

import signal
import sys
import time

import click

from collector.errors import CollectorError
from deploy.command import CommandError
from deploy.engines import find_engine, size
from deploy.proof import prove

IMAGES = {"vantage-agent": "Dockerfile.agent", "vantage-collector": "Dockerfile.collector"}


def main() -> None:
    """Build, prove, and say so; exit with 1 and the reason otherwise."""
    started = time.monotonic()
    # Both ways of being stopped unwind the proof, which ends what it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        engine = find_engine()
        for image, dockerfile in IMAGES.items():
            click.echo(f"Building {image} with {engine.name} ...")
            engine.build(image, dockerfile)
            click.echo(f"  {size(engine, image)}")
        click.echo("Proving them: an agent in its image, a collector and a dashboard in theirs ...")
        click.echo(f"  {prove(engine)}")
    except (CommandError, CollectorError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing was proved.")
    click.echo(f"proved, in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
