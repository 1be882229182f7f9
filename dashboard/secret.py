"""What a monitor must know and nobody else: as it is typed in, checked, and sealed.

Nothing here can open it again. No message, and no page, repeats what may be a secret.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from psycopg.types.json import Jsonb

from dashboard.db import Reader
from dashboard.errors import Unacceptable
from dashboard.forms import Form
from dashboard.sealing import SealingKey
from vantage.request import UNSENDABLE

AUTHORIZATION, CLIENT_KEY, PROXY_PASSWORD = "Authorization", "client key", "proxy password"
VALUE_MAX = 4096
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
NO_KEY = (
    "Secrets cannot be set yet: this installation has no key to seal them with. Whoever runs it "
    "makes one with `vantage secrets new-key`."
)
# What may be typed; none of it is shown again, also where the form comes back with a mistake.
FIELDS = ("auth_user", "auth_secret", "secret_value", "client_key", "proxy_user", "proxy_secret")

# By name, what each is to be. None: it is to be removed.
Given = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Secret:
    """That one is set, and since when."""

    name: str
    set_at: datetime

    @property
    def is_other_header(self) -> bool:
        """Whether it is a header, and not the one that the form has fields of its own for."""
        return self.name not in (AUTHORIZATION, CLIENT_KEY, PROXY_PASSWORD)


def was_typed(form: Form) -> bool:
    """Whether a form holds any secret."""
    return any(value for name in FIELDS for value in form.all(name))


def secrets_of(form: Form) -> dict[str, str | None]:
    """The secrets that a form gives or takes away; what it leaves empty is not among them.

    Raises: Unacceptable.
    """
    found: dict[str, str | None] = dict.fromkeys(form.all("forget"))
    for name, value in (*_authorization(form), *_headers(form), *_special(form)):
        if name in found and found[name] is not None:
            raise Unacceptable(f"The secret {name} is given twice; one can be.")
        found[name] = value
    return found


def _authorization(form: Form) -> Iterator[tuple[str, str]]:
    user, secret = form["auth_user"], form["auth_secret"]
    if form["auth"] == "bearer" and secret:
        yield AUTHORIZATION, bearer(secret)
    elif user or secret:
        yield AUTHORIZATION, basic(user, secret)


def _headers(form: Form) -> Iterator[tuple[str, str]]:
    names, values = form.all("secret_name"), form.all("secret_value")
    for name, value in zip_longest(names, values, fillvalue=""):
        if value and not name.strip():
            raise Unacceptable("A secret header has no name.")
        if name.strip() and value:
            yield name.strip(), header(name.strip(), value)


def _special(form: Form) -> Iterator[tuple[str, str]]:
    if key := form["client_key"].replace("\r\n", "\n").strip():
        yield CLIENT_KEY, key
    if form["proxy_user"] or form["proxy_secret"]:
        yield PROXY_PASSWORD, login(form["proxy_user"], form["proxy_secret"], "the proxy")


def bearer(token: str) -> str:
    """The header's value (RFC 6750). Raises: Unacceptable."""
    return header(AUTHORIZATION, f"Bearer {token.strip()}")


def basic(user: str, password: str) -> str:
    """The header's value (RFC 7617). Raises: Unacceptable."""
    encoded = b64encode(login(user, password, "the authorization").encode()).decode()
    return header(AUTHORIZATION, f"Basic {encoded}")


def login(user: str, password: str, what: str) -> str:
    """user:password. Raises: Unacceptable."""
    if not user or ":" in user:
        raise Unacceptable(f"The user name of {what} is empty, or has a colon.")
    if UNSENDABLE.search(user + password) or len(user) + len(password) > VALUE_MAX:
        raise Unacceptable(f"The user name or password of {what} holds what cannot be sent.")
    return f"{user}:{password}"


def header(name: str, value: str) -> str:
    """A header's value. Raises: Unacceptable."""
    if not HEADER.fullmatch(name):
        raise Unacceptable(f"“{name[:80]}” is no header name, such as X-Api-Key.")
    if UNSENDABLE.search(value):
        raise Unacceptable(f"The value of the secret header {name} holds what cannot be sent.")
    if len(value) > VALUE_MAX:
        raise Unacceptable(f"The value of the secret header {name} is longer than {VALUE_MAX}.")
    return value


async def sealed(reader: Reader, account_id: int, monitor_id: int, given: Given) -> Jsonb | None:
    """What is given, as report.define_monitor() takes it. Raises: Unacceptable."""
    if not given:
        return None
    if all(value is None for value in given.values()):
        return Jsonb(given)
    key = await reader.one(SealingKey, "sealing_key")
    if key is None:
        raise Unacceptable(NO_KEY)
    bound = f"vantage.secrets/{account_id}/{monitor_id}"
    return Jsonb(
        {
            name: None
            if value is None
            else {
                "key_id": key.key_id,
                "sealed": b64encode(key.seal(f"{bound}/{name}", value)).decode(),
            }
            for name, value in given.items()
        }
    )
