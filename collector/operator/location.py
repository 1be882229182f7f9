"""vantage location: the places that monitors are probed from."""

from __future__ import annotations

import click
import psycopg

from collector import db
from collector.errors import CollectorError
from collector.operator.table import json_option, show
from collector.operator.target import on_database


@click.group()
def location() -> None:
    """Places that monitors are probed from."""


@location.command("add")
@click.argument("name")
@click.option("--title", help="As shown to people: Frankfurt.  [default: NAME]")
@click.option("--region", help="Groups locations: Europe.")
@click.option("--country", help="ISO 3166-1 alpha-2: DE.")
@click.option("--latitude", type=click.FloatRange(-90, 90), help="Degrees north.")
@click.option("--longitude", type=click.FloatRange(-180, 180), help="Degrees east.")
@click.option("--asn", type=click.IntRange(1, 2**32 - 1), help="Autonomous system: 64496.")
@on_database
def add(
    name: str,
    title: str | None,
    region: str | None,
    country: str | None,
    latitude: float | None,
    longitude: float | None,
    asn: int | None,
    url: str,
) -> None:
    """Add a location. NAME is short: fra, sin, nyc1."""
    if (latitude is None) != (longitude is None):
        raise click.UsageError("Give both --latitude and --longitude, or neither.")
    with db.session(url) as connection:
        add_location(
            connection,
            name=name,
            title=title or name,
            region=region,
            country=country.upper() if country else None,
            latitude=latitude,
            longitude=longitude,
            asn=asn,
        )
    click.echo(f"Added location {name}. Put an agent there: vantage agent token --location {name}")


def add_location(
    connection: db.Connection,
    *,
    name: str,
    title: str,
    region: str | None = None,
    country: str | None = None,
    latitude: float | None = None,
    longitude: float | None = None,
    asn: int | None = None,
) -> None:
    """Insert a location. Raises: CollectorError when it exists or a value is unusable."""
    try:
        connection.execute(
            db.queries("operator")["add_location"],
            {
                "name": name,
                "title": title,
                "region": region,
                "country": country,
                "latitude": latitude,
                "longitude": longitude,
                "asn": asn,
            },
        )
    except psycopg.errors.UniqueViolation as error:
        raise CollectorError(f"There is a location {name!r} already.") from error
    except psycopg.errors.CheckViolation as error:
        raise CollectorError(
            {
                "locations_name_check": f"{name!r} is no name of a location: 1 to 32 lower-case "
                "letters, digits and dashes, such as nyc1.",
                "locations_country_check": f"{country!r} is no country: write the two letters of "
                "ISO 3166-1, such as DE.",
                "locations_latitude_check": f"{latitude} is no latitude: -90 to 90 degrees north.",
                "locations_longitude_check": f"{longitude} is no longitude: -180 to 180 degrees "
                "east.",
            }.get(error.diag.constraint_name or "", db.first_line(error))
        ) from error


@location.command("list")
@json_option
@on_database
def list_(as_json: bool, url: str) -> None:
    """List locations and how many agents are online in each."""
    with db.session(url) as connection:
        rows = connection.execute(db.queries("operator")["locations"]).fetchall()
    show(rows, ["name", "title", "region", "country", "asn", "agents_online"], as_json=as_json)
