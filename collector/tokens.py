"""One-time enrolment tokens: SECRET.PIN@HOST:PORT, good for one agent at one location."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from datetime import timedelta

import psycopg

from collector import db
from collector.errors import CollectorError

LIFETIME = timedelta(hours=1)


def issue(connection: db.Connection, location: str, address: str) -> str:
    """Make a token for a location; only the secret's hash is stored.

    ``address``: host:port of the collector's enrolment listener, as agents reach it.
    Raises: CollectorError for an unknown location, or before any collector has run.
    """
    statements = db.queries("enrolment")
    authority = connection.execute(statements["newest_authority"]).fetchone()
    if authority is None:
        raise CollectorError(
            "No collector has run on this database yet, so there is no certificate authority for "
            "the token to name. Start one with: vantage-collector serve"
        )
    secret = secrets.token_urlsafe(32)
    try:
        connection.execute(
            statements["issue_token"],
            {
                "secret_hash": secret_hash(secret),
                "location": location,
                "lifetime": LIFETIME,
            },
        )
    except psycopg.errors.ForeignKeyViolation as error:
        raise CollectorError(
            f"There is no location {location!r}. See: vantage location list"
        ) from error
    pin = urlsafe_b64encode(authority["public_key_sha256"]).rstrip(b"=").decode()
    return f"{secret}.{pin}@{address}"


def secret_hash(secret: str) -> bytes:
    """Return what is stored of a secret: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).digest()
