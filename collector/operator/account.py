"""vantage account: customers and the people who sign in for them."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import psycopg

from collector import db
from collector.errors import CollectorError
from collector.operator.table import json_option, show
from collector.operator.target import on_database
from collector.options import read_secret

PASSWORD_MIN = 8


password_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="File that holds the password.  [default: asked for]",
)


@click.group()
def account() -> None:
    """Accounts: customers and the people who sign in for them."""


@account.command("add")
@click.argument("name")
@click.option("--email", required=True, help="Sign-in address of the account's first person.")
@password_option
@on_database
def add(name: str, email: str, password_file: Path | None, url: str) -> None:
    """Add an account and the person who signs in for it."""
    password = ask_password(password_file)
    with db.session(url) as connection:
        add_account(connection, name, email, password)
    click.echo(f"Added account {name}; {email} can sign in.")


def ask_password(file: Path | None) -> str:
    """Return the password in the file, or the one that is typed twice.

    Raises: CollectorError where there is neither.
    """
    if file is not None:
        return read_secret(file)
    if not sys.stdin.isatty():
        raise CollectorError(
            "There is no terminal to ask for the password on: write it to a file and name that "
            "with --password-file."
        )
    chosen: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return chosen


def hash_password(password: str) -> str:
    """Return what is stored of a password. Raises: CollectorError when it is too short."""
    from argon2 import PasswordHasher

    if len(password) < PASSWORD_MIN:
        raise CollectorError(f"The password is too short: {PASSWORD_MIN} characters at least.")
    return PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(password)


def add_account(connection: db.Connection, name: str, email: str, password: str) -> int:
    """Insert an account with one person; return the account's id.

    Raises: CollectorError when it exists or a value is unusable.
    """
    password_hash = hash_password(password)
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
                "password_hash": password_hash,
            },
        )
    except psycopg.errors.UniqueViolation as error:
        taken = "e-mail address" if "users_email" in str(error) else "account"
        raise CollectorError(f"That {taken} exists already: {name}, {email}.") from error
    except psycopg.errors.CheckViolation as error:
        raise CollectorError(
            f"Account {name!r} for {email!r} cannot be made: a name must not be empty, and an "
            "e-mail address has the form person@example.com."
        ) from error
    account_id: int = row["id"]
    return account_id


@account.command("password")
@click.argument("email")
@password_option
@on_database
def password(email: str, password_file: Path | None, url: str) -> None:
    """Set a person's password, and sign them out everywhere."""
    chosen = ask_password(password_file)
    with db.session(url) as connection:
        values = {"email": email, "password_hash": hash_password(chosen)}
        row = connection.execute(db.queries("operator")["set_password"], values).fetchone()
    if row is None:
        raise CollectorError(f"Nobody signs in with {email}.")
    click.echo(f"{email} signs in with the new password, and is signed out everywhere.")


@account.command("operator")
@click.argument("email")
@click.option("--no-more", is_flag=True, help="They no longer run this installation.")
@on_database
def operator(email: str, no_more: bool, url: str) -> None:
    """Let a person see every agent in the report centre."""
    with db.session(url) as connection:
        row = connection.execute(
            db.queries("operator")["set_operator"], {"email": email, "is_operator": not no_more}
        ).fetchone()
    if row is None:
        raise CollectorError(f"Nobody signs in with {email}.")
    click.echo(f"{email} is {'no operator any more' if no_more else 'an operator now'}.")


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
