"""What a monitor may expect of a response: the shape of vantage.monitors.assertions. Pure.

Each is an object with a ``kind``, the fields of that kind, and ``degrades`` where not meeting it
degrades the result instead of making it down. docs/monitors.md explains every kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network

from collector.errors import CollectorError, as_own
from vantage.expression import compiled
from vantage.phase import LIMITED
from vantage.request import ANSWERED_VERSIONS, HEADER_NAME

Assertion = Mapping[str, str | int | bool]

ASSERTIONS_MAX = 50
TEXT_MAX = 1000
NUMBER_MAX = 2**53  # what JSON's other readers keep exactly

STATUS = r"\s*[1-9]\d\d\s*(-\s*[1-9]\d\d\s*)?"
STATUSES = re.compile(rf"{STATUS}(,{STATUS})*")
JSON_PATH = re.compile(
    r"""\$(
        \.[A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff]*
        | \[\s*(0|-?[1-9][0-9]{0,8})\s*\]
        | \[\s*'([^'\\]|\\['\\])*'\s*\]
        | \[\s*"([^"\\]|\\["\\])*"\s*\]
    )*""",
    re.VERBOSE | re.ASCII,
)


def check_assertions(assertions: Sequence[Assertion]) -> None:
    """Raise CollectorError, saying what is wrong, unless agents can judge all of them."""
    if len(assertions) > ASSERTIONS_MAX:
        raise CollectorError(f"{len(assertions)} assertions; the limit is {ASSERTIONS_MAX}.")
    for assertion in assertions:
        check_assertion(assertion)


def check_assertion(assertion: Assertion) -> None:
    """Check one."""
    kind = assertion.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise CollectorError(f"{kind!r} is no kind of assertion: {', '.join(KINDS)}.")
    fields = KINDS[kind]
    for field in assertion.keys() - {"kind", "degrades"} - fields.keys():
        raise CollectorError(f"An assertion of kind {kind} has no {field!r}.")
    for field, checks in fields.items():
        if field in assertion:
            check_field(field, assertion[field])
            checks(assertion[field])
        elif kind != "size":
            raise CollectorError(f"An assertion of kind {kind} needs {field!r}.")
    if kind == "size":
        check_size(assertion)
    if not isinstance(assertion.get("degrades", False), bool):
        raise CollectorError(f"degrades is {assertion['degrades']!r}: true or false.")


def check_field(field: str, value: object) -> None:
    """Check a field's type and extent."""
    if field in ("at_least", "at_most"):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= NUMBER_MAX:
            raise CollectorError(f"{field} is {value!r}: a whole number from 0 on.")
    elif not isinstance(value, str) or not 1 <= len(value) <= TEXT_MAX or not is_storable(value):
        raise CollectorError(
            f"{field} is {str(value)[:80]!r}: a text of 1 to {TEXT_MAX} characters."
        )


def is_storable(text: str) -> bool:
    """Tell whether the database and UTF-8 can hold a text: no NUL, no half surrogate pair."""
    return re.search(r"[\0\ud800-\udfff]", text) is None


def check_size(assertion: Assertion) -> None:
    """Check that there is a bound, and room between two."""
    least, most = assertion.get("at_least"), assertion.get("at_most")
    if least is None and most is None:
        raise CollectorError("An assertion of kind size needs 'at_least' or 'at_most'.")
    if least is not None and most is not None and int(least) > int(most):
        raise CollectorError(f"No body can have at least {least} and at most {most} bytes.")


def check_header(value: object) -> None:
    """Check the name of a header."""
    if not HEADER_NAME.fullmatch(str(value)):
        raise CollectorError(f"{value!r} is no header name, such as Content-Type.")


def check_statuses(value: object) -> None:
    """Check a set of HTTP statuses."""
    if not STATUSES.fullmatch(str(value)):
        raise CollectorError(f"{value!r} is no set of HTTP statuses, such as 200-299,304.")


def check_expression(value: object) -> None:
    """Check a regular expression."""
    with as_own():
        compiled(str(value))


def check_json_path(value: object) -> None:
    """Check a path to one value."""
    if not JSON_PATH.fullmatch(str(value)):
        raise CollectorError(
            f"{value!r} is no path to one JSON value, such as $.items[0]['full name']: wildcards "
            "and filters are not supported."
        )


def check_json(value: object) -> None:
    """Check a JSON text."""
    try:
        json.loads(str(value))
    except (ValueError, RecursionError) as error:
        raise CollectorError(f"{value!r} is not JSON: {error}.") from error


def check_limited(value: object) -> None:
    """Check the name of what takes time."""
    if value not in LIMITED:
        raise CollectorError(f"{value!r} is none of {', '.join(LIMITED)}.")


def check_final_url(value: object) -> None:
    """Check an absolute URL."""
    if not re.fullmatch(r"https?://[^\s/][^\s]*", str(value)):
        raise CollectorError(f"{value!r} does not begin with http:// or https:// and a host.")


def check_network(value: object) -> None:
    """Check an IP network."""
    try:
        ip_network(str(value))
    except ValueError as error:
        raise CollectorError(
            f"{error}; write networks like 192.0.2.0/24 or 2001:db8::/32."
        ) from error


def check_http_version(value: object) -> None:
    """Check an HTTP version."""
    if value not in ANSWERED_VERSIONS:
        raise CollectorError(f"{value!r} is no version of HTTP: {', '.join(ANSWERED_VERSIONS)}.")


def anything(_value: object) -> None:
    """Take whatever has the right type."""


KINDS: dict[str, dict[str, Callable[[object], None]]] = {
    "status": {"expected": check_statuses},
    "header_present": {"name": check_header},
    "header_equals": {"name": check_header, "expected": anything},
    "header_matches": {"name": check_header, "expected": check_expression},
    "body_contains": {"expected": anything},
    "body_matches": {"expected": check_expression},
    "json_equals": {"name": check_json_path, "expected": check_json},
    "size": {"at_least": anything, "at_most": anything},
    "cert_days": {"at_least": anything},
    "limit": {"name": check_limited, "at_most": anything},
    "url": {"expected": check_final_url},
    "network": {"expected": check_network},
    "http_version": {"expected": check_http_version},
    "loss": {"at_most": anything},
}
