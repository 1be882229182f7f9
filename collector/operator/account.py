"""vantage account: customers and the people who sign in for them."""

from __future__ import annotations

from pathlib import Path

import click
import psycopg

from collector import db
from collector.errors import CollectorError
from collector.operator.table import json_option, show
from collector.operator.target import on_database
from collector.options import read_secret

PASSWORD_MIN = 8


@click.group()
def account() -> None:
    """Accounts: customers and the people who sign in for them."""


@account.command("add")
@click.argument("name")
@click.option("--email", required=True, help="Sign-in address of the account's first person.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="File that holds the password.  [default: asked for]",
)
@on_database
def add(name: str, email: str, password_file: Path | None, url: str) -> None:
    """Add an account and the person who signs in for it."""
    if password_file is not None:
        password = read_secret(password_file)
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    with db.session(url) as connection:
        add_account(connection, name, email, password)
    click.echo(f"Added account {name}; {email} can sign in.")


def add_account(connection: db.Connection, name: str, email: str, password: str) -> int:
    """Insert an account with one person; return the account's id.

    Raises: CollectorError when it exists or a value is unusable.
    """
    from argon2 import PasswordHasher

    if len(password) < PASSWORD_MIN:
        raise CollectorError(f"The password is too short: {PASSWORD_MIN} characters at least.")
    statements = db.queries("operator")
    try:
        row = connection.execute(statements["add_account"], {"name": name}).fetchone()
        assert row is not None  # noqa: S101 - INSERT ... RETURNING
        connection.execute(
            statements["add_user"],
            {
                "account_id": row["id"],
                "email": email,
                "name": email.partition("@")[0],
                "password_hash": PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(
                    password
                ),
            },
        )
    except psycopg.errors.UniqueViolation as error:
        taken = "e-mail address" if "users_email" in str(error) else "account"
        raise CollectorError(f"That {taken} exists already: {name}, {email}.") from error
    except psycopg.errors.CheckViolation as error:
        raise CollectorError(
            f"Account {name!r} for {email!r} cannot be: a name must not be empty, and an e-mail "
            "address has the form person@example.com."
        ) from error
    account_id: int = row["id"]
    return account_id


@account.command("list")
@json_option
@on_database
def list_(as_json: bool, url: str) -> None:
    """List accounts."""
    with db.session(url) as connection:
        rows = connection.execute(db.queries("operator")["accounts"]).fetchall()
    show(rows, ["id", "name", "created_at"], as_json=as_json)


def account_id(connection: db.Connection, name: str | None) -> int:
    """Return the id of the named account, or of the only one.

    Raises: CollectorError when it does not exist, or none is named and there are several.
    """
    rows = connection.execute(db.queries("operator")["accounts"]).fetchall()
    ids = {row["name"]: row["id"] for row in rows}
    if name is None and len(ids) == 1:
        return int(next(iter(ids.values())))
    if name in ids:
        return int(ids[name])
    known = ", ".join(ids) or "none yet; add one with: vantage account add"
    what = f"There is no account {name!r}" if name else "Name the account with --account"
    raise CollectorError(f"{what}. Accounts: {known}.")
