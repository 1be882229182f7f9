"""vantage plan: what accounts may have; vantage account plan: which has which, until when."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import psycopg

from collector import db
from collector.errors import CollectorError
from collector.operator.account import account, account_id
from collector.operator.dates import DAY
from collector.operator.duration import Duration
from collector.operator.table import json_option, show
from collector.operator.target import on_database

LIMITS = ["monitors", "interval_s", "locations", "members", "results_days"]
COLUMNS = ["name", "title", *LIMITS, "accounts"]


@click.group()
def plan() -> None:
    """Plans: what accounts may have."""


@plan.command("set")
@click.argument("name")
@click.option("--title", help="As shown to people.  [default: NAME, with a capital]")
@click.option("--monitors", type=click.IntRange(0), help="How many.  [default: any]")
@click.option("--interval", type=Duration(), help="The shortest of a monitor.  [default: 1s]")
@click.option("--locations", type=click.IntRange(1), help="For each monitor.  [default: all]")
@click.option("--members", type=click.IntRange(1), help="Invited ones included.  [default: any]")
@click.option("--results-days", type=click.IntRange(1, 36_500), help="How long results are kept.")
@click.option("--stripe-price", help="Recurring price that buys it.  [default: nobody can]")
@on_database
def set_(
    name: str,
    title: str | None,
    monitors: int | None,
    interval: float | None,
    locations: int | None,
    members: int | None,
    results_days: int | None,
    stripe_price: str | None,
    url: str,
) -> None:
    """Make plan NAME, or change all of it. What accounts have already, they keep."""
    values = {
        "name": name,
        "title": title or name.capitalize(),
        "monitors": monitors,
        "interval_s": None if interval is None else round(interval),
        "locations": locations,
        "members": members,
        "results_days": results_days,
        "stripe_price": stripe_price,
    }
    with db.session(url) as connection:
        try:
            connection.execute(db.queries("plans")["set"], values)
        except psycopg.errors.CheckViolation as error:
            raise CollectorError(
                {
                    "plans_name_check": f"{name!r} is no name of a plan: 1 to 32 lower-case "
                    "letters, digits and dashes, such as small.",
                    "plans_min_interval_s_check": f"--interval {values['interval_s']}s: the "
                    "shortest interval of a plan is 1s to 24h.",
                    "plans_stripe_price_check": f"--stripe-price {stripe_price!r} is no price: "
                    "Stripe's begin with price_.",
                }.get(error.diag.constraint_name or "", db.first_line(error))
            ) from error
        except psycopg.errors.UniqueViolation as error:
            raise CollectorError(
                f"Another plan is bought at {stripe_price!r} already: each has a price of its own."
            ) from error
    click.echo(f"Plan {name} is set. Give it to an account: vantage account plan {name}")


@plan.command("list")
@json_option
@on_database
def list_(as_json: bool, url: str) -> None:
    """List plans."""
    with db.session(url) as connection:
        rows = connection.execute(db.queries("plans")["list"]).fetchall()
    show(rows, COLUMNS, as_json=as_json)


@account.command("plan")
@click.argument("name", required=False)
@click.option("--account", "account_name", help="Whose.  [default: the only account]")
@click.option("--until", type=DAY, help="When it ends, UTC.")
@click.option("--for-ever", is_flag=True, help="It never ends.")
@click.option("--trial/--bought", default=None, help="Whether it is only tried.")
@click.option("--grace-days", type=click.IntRange(0, 365), help="How long all goes on after it.")
@json_option
@on_database
def account_plan(
    name: str | None,
    account_name: str | None,
    until: datetime | None,
    for_ever: bool,
    trial: bool | None,
    grace_days: int | None,
    as_json: bool,
    url: str,
) -> None:
    """Show an account's plan and licence, or change them.

    It is given plan NAME, or another end. After the end everything goes on for the days of grace;
    then nothing can be added or changed.
    """
    if until is not None and for_ever:
        raise click.UsageError("Give --until or --for-ever.")
    statements = db.queries("plans")
    with db.session(url) as connection:
        values = {
            "id": account_id(connection, account_name),
            "plan": name,
            "until": None if until is None else until.replace(tzinfo=UTC),
            "keeps_end": until is None and not for_ever,
            "is_trial": trial,
            "grace_days": grace_days,
        }
        known = [row["name"] for row in connection.execute(statements["list"])]
        if name is not None and name not in known:
            raise CollectorError(f"There is no plan {name!r}. Plans: {', '.join(known)}.")
        connection.execute(statements["give"], values)
        rows = connection.execute(statements["account"], values).fetchall()
    show(rows, ["account", "plan", "licence", "ends_at", "monitors", "members"], as_json=as_json)
