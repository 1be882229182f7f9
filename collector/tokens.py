"""One-time enrolment tokens: SECRET.PIN@HOST:PORT.

Each is good for one machine, to become a new agent at one location or to be one agent again.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from datetime import timedelta
from uuid import UUID

import psycopg

from collector import db
from collector.errors import CollectorError

LIFETIME = timedelta(hours=1)


def issue(connection: db.Connection, location: str, address: str) -> str:
    """Make a token for a new agent at a location; only the secret's hash is stored.

    ``address``: host:port of the collector's enrolment listener, as agents reach it.
    Raises: CollectorError for an unknown location, or before any collector has run.
    """
    try:
        return _issue(connection, address, location=location, agent_id=None)
    except psycopg.errors.ForeignKeyViolation as error:
        raise CollectorError(
            f"There is no location {location!r}. See: vantage location list"
        ) from error


def issue_again(connection: db.Connection, agent_id: UUID, address: str) -> str:
    """Make a token with which an agent's machine stays that agent, its certificate renewed.

    Raises: CollectorError for an agent that is unknown or revoked.
    """
    row = connection.execute(
        db.queries("enrolment")["location_of_agent"], {"agent_id": agent_id}
    ).fetchone()
    if row is None:
        raise CollectorError(
            f"There is no agent {agent_id} that may enrol again: it is unknown, or was revoked. "
            "See: vantage agent list"
        )
    return _issue(connection, address, location=row["location"], agent_id=agent_id)


def _issue(connection: db.Connection, address: str, *, location: str, agent_id: UUID | None) -> str:
    statements = db.queries("enrolment")
    authority = connection.execute(statements["newest_authority"]).fetchone()
    if authority is None:
        raise CollectorError(
            "No collector has run on this database yet, so there is no certificate authority for "
            "the token to name. Start one with: vantage-collector serve"
        )
    # Hexadecimal: what begins with a dash would be taken for an option of `vantage-agent join`.
    secret = secrets.token_hex(32)
    connection.execute(
        statements["issue_token"],
        {
            "secret_hash": secret_hash(secret),
            "location": location,
            "agent_id": agent_id,
            "lifetime": LIFETIME,
        },
    )
    pin = urlsafe_b64encode(authority["public_key_sha256"]).rstrip(b"=").decode()
    return f"{secret}.{pin}@{address}"


def secret_hash(secret: str) -> bytes:
    """Return what is stored of a secret: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).digest()
