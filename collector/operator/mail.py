"""vantage mail: news of the product to who wants them, and what became of queued mail."""

from __future__ import annotations

from typing import IO

import click

from collector import db
from collector.errors import CollectorError
from collector.operator.table import json_option, show
from collector.operator.target import on_database

COLUMNS = ["id", "kind", "account", "email", "created_at", "sent_at", "attempts", "last_error"]
LONGEST = 20_000


@click.group()
def mail() -> None:
    """Mail that the report centre sends to people."""


@mail.command("product")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--subject", required=True, help="Of the mail, on one line.")
@click.option("--plan", help="Only to accounts with this plan.  [default: to all]")
@click.option("--dry-run", is_flag=True, help="Only say to how many.")
@on_database
def product(file: IO[str], subject: str, plan: str | None, dry_run: bool, url: str) -> None:
    """Mail news of the product to those who chose to get it.

    FILE is plain text; -: standard input. Paragraphs are separated by empty lines. The same text
    goes to nobody twice.
    """
    paragraphs = read_paragraphs(file)
    if not subject.strip() or not subject.isprintable() or len(subject) > 200:
        raise CollectorError("--subject is one line of 1 to 200 characters.")
    statements = db.queries("mails")
    with db.session(url) as connection:
        known = [row["name"] for row in connection.execute(db.queries("plans")["list"])]
        if plan is not None and plan not in known:
            raise CollectorError(f"There is no plan {plan!r}. Plans: {', '.join(known)}.")
        row = connection.execute(
            statements["queue_product_mail"],
            {"subject": subject.strip(), "paragraphs": paragraphs, "plan": plan},
        ).fetchone()
        assert row is not None  # noqa: S101 - it always gives one
        if dry_run:
            connection.rollback()
    people = f"{row['queued']} {'person' if row['queued'] == 1 else 'people'}"
    if dry_run:
        click.echo(f"It would go to {people}.")
    else:
        click.echo(f"Queued for {people}. The report centre sends it: vantage mail list")


def read_paragraphs(file: IO[str]) -> list[str]:
    """Return a text's paragraphs, each on one line. Raises: CollectorError."""
    try:
        text = file.read(LONGEST + 1)
    except UnicodeDecodeError as error:
        raise CollectorError(f"{file.name} is no text in UTF-8.") from error
    paragraphs = [" ".join(part.split()) for part in text.replace("\r\n", "\n").split("\n\n")]
    paragraphs = [part for part in paragraphs if part]
    if not paragraphs or len(text) > LONGEST or "\0" in text:
        raise CollectorError(f"{file.name} has to hold a text, of {LONGEST} characters at most.")
    return paragraphs


@mail.command("list")
@json_option
@on_database
def list_(as_json: bool, url: str) -> None:
    """List the newest 100 mails and what became of them."""
    with db.session(url) as connection:
        rows = connection.execute(db.queries("mails")["list"]).fetchall()
    show(rows, COLUMNS, as_json=as_json)
