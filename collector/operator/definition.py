"""One monitor's definition for people, or for scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography import x509

from collector.operator.table import cell, heading

Row = Mapping[str, Any]


def as_json(row: Row) -> str:
    """Write the columns of vantage.monitors as JSON; a body as text, whatever is none escaped."""
    return json.dumps({**row, "body": body_of(row)}, default=str, indent=2)


def as_text(row: Row) -> str:
    """Write one line a column, of headers and assertions one line each."""
    several = {
        "headers": [f"{header['name']}: {header['value']}" for header in row["headers"]],
        "assertions": [describe(assertion) for assertion in row["assertions"]],
        "phase_timeouts": [
            f"{name} {us / 1000:g} ms" for name, us in row["phase_timeouts"].items()
        ],
        "client_certificate": subjects(row["client_certificate"]),
        "authority": subjects(row["authority"]),
        "secrets": [f"{name} (set, not shown)" for name in row["secrets"]],
    }
    lines: list[tuple[str, str]] = []
    for name, value in {**row, "body": body_of(row)}.items():
        texts = several.get(name) or [cell(None if name in several else value, name)]
        lines += [(heading(name), text) for text in texts]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in lines)


def describe(assertion: Mapping[str, Any]) -> str:
    """Say what is expected, and that it only degrades."""
    words = [
        assertion["kind"],
        *(str(assertion[k]) for k in ("name", "expected") if k in assertion),
    ]
    unit = "limit_us" if assertion["kind"] == "limit" else ""
    words += [f"at least {assertion['at_least']}"] if "at_least" in assertion else []
    words += [f"at most {cell(assertion['at_most'], unit)}"] if "at_most" in assertion else []
    words += ["(else degraded)"] if assertion.get("degrades") else []
    return " ".join(words)


def subjects(pem: str | None) -> list[str]:
    """Name what PEM certificates are of."""
    if pem is None:
        return []
    return [
        f"{each.subject.rfc4514_string()}, until {each.not_valid_after_utc:%Y-%m-%d}"
        for each in x509.load_pem_x509_certificates(pem.encode())
    ]


def body_of(row: Row) -> str | None:
    """Return the body as text."""
    body: bytes | None = row["body"]
    return None if body is None else bytes(body).decode("utf-8", "backslashreplace")
