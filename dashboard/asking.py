"""What a monitor asks of a server, as its form shows it. What may be is decided by the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.errors import Unacceptable
from dashboard.forms import Form
from dashboard.number import whole
from vantage.request import HTTP_VERSIONS, METHODS

# Kept as vantage.monitors has it; 10 is what it has unless somebody says otherwise.
USUAL = {"method": "GET", "redirects": "10", "headers": "", "body": "", "ip": "", "http": ""}


def request_of(form: Form) -> dict[str, Any] | None:
    """The request that a form describes. None: it has none of these fields.

    Raises: Unacceptable.
    """
    if "method" not in form.fields:
        return None
    ip, http, redirects = form.text("ip"), form.text("http"), form.text("redirects")
    if form.text("method") not in METHODS or ip not in ("", "4", "6", "both"):
        raise Unacceptable("There is no such method or IP version.")
    if http not in ("", *HTTP_VERSIONS):
        raise Unacceptable(f"“{http[:20]}” is no version of HTTP.")
    max_redirects = whole(redirects, 50)
    if max_redirects is None:
        raise Unacceptable(f"Redirects: 0 to 50 can be followed, not “{redirects[:20]}”.")
    return {
        "method": form.text("method"),
        "headers": [_header(line) for line in lines(form, "headers")],
        "body": form["body"].replace("\r\n", "\n").replace("\0", "") or None,
        "ip_version": int(ip) if ip in ("4", "6") else None,
        "is_paired": ip == "both",
        "http_version": http or None,
        "is_insecure": bool(form["insecure"]),
        "is_uncompressed": bool(form["uncompressed"]),
        "max_redirects": max_redirects,
    }


def lines(form: Form, name: str) -> list[str]:
    """What stands on the lines of a field, less empty ones."""
    return [line.strip() for line in form[name].replace("\0", "").splitlines() if line.strip()]


def _header(line: str) -> dict[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise Unacceptable(f"The header “{line[:80]}” has no colon. Write “Name: value”.")
    return {"name": name.strip(), "value": value.strip()}


def fields(request: Mapping[str, Any]) -> dict[str, str]:
    """A request as it would be typed in."""
    ip = "both" if request["is_paired"] else str(request["ip_version"] or "")
    headers = "\n".join(f"{each['name']}: {each['value']}" for each in request["headers"])
    return {
        "method": request["method"],
        "headers": headers,
        "body": request["body"] or "",
        "ip": ip,
        "http": request["http_version"] or "",
        "redirects": str(request["max_redirects"]),
        "insecure": "yes" if request["is_insecure"] else "",
        "uncompressed": "yes" if request["is_uncompressed"] else "",
    }
