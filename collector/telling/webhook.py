"""Tells programs: one signed POST for each notification.

``Vantage-Signature: t=SECONDS,v1=HEX`` is the HMAC-SHA256 of ``SECONDS.BODY`` under the channel's
secret; ``Idempotency-Key`` is the same at every try. docs/notifications.md tells how to verify it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any

import requests

from collector.errors import TransientError
from collector.telling.destination import Destination
from collector.telling.guard import Refused

PATIENCE_S = (5.0, 15.0)


def sign(secret: str, at_s: int, body: bytes) -> str:
    """Return the header Vantage-Signature."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def post(destination: Destination, notification_id: int, facts: Mapping[str, Any]) -> None:
    """Deliver one notification. Raises: TransientError, without the URL."""
    body = json.dumps(facts, default=str, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Vantage",
        "Idempotency-Key": f"vantage-{notification_id}",
        "Vantage-Signature": sign(destination.secret, int(time.time()), body),
    }
    try:
        with (
            requests.Session() as session,
            session.post(
                destination.address,
                data=body,
                headers=headers,
                timeout=PATIENCE_S,
                allow_redirects=False,
                stream=True,  # what it answers with is not read
            ) as answer,
        ):
            status = answer.status_code
    except (requests.RequestException, OSError) as error:
        raise TransientError(f"The webhook cannot be reached: {reason(error)}.") from error
    if not 200 <= status < 300:
        raise TransientError(f"The webhook answered with status {status}; 200 to 299 is success.")


def reason(error: BaseException) -> str:
    """Say why, in words that hold no part of the URL: libraries' own words do."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Refused):
            return f"{cause}; an operator may permit it with --allow-network"
        if isinstance(cause, requests.Timeout | TimeoutError):
            return "it does not answer in time"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate is not accepted"
        # The libraries' own errors, whose words are not for people, have no number.
        if isinstance(cause, OSError) and cause.errno and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
