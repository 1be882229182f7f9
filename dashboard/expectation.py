"""What a monitor expects of the answer, as its form shows it: vantage.monitors.assertions.

The fields read as the options of ``vantage monitor add`` do. What may be is decided by the
database, but for regular expressions, which are RE2's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dashboard.asking import lines
from dashboard.errors import Unacceptable
from dashboard.forms import Form
from dashboard.number import whole
from vantage.expression import compiled

Assertion = Mapping[str, Any]

ONE = {"status": "status", "final_url": "url", "network": "network", "version": "http_version"}
SEVERAL = {"contains": "body_contains", "matching": "body_matches"}
NUMBERS = {"cert_days": ("cert_days", "at_least"), "loss": ("loss", "at_most")}
NAMES = (*ONE, "expect_headers", *SEVERAL, "json", "min_bytes", "max_bytes", *NUMBERS, "limits")

_HEADER = re.compile(r"([^\s:~]+)\s*(?:([:~])\s*(.*))?")
_LIMIT = re.compile(r"([a-z]+)\s*=\s*(\d{1,6}(?:\.\d{1,3})?)\s*(ms|s)(\s*:down)?")
_NUMBER = re.compile(r"(\d{1,5})(\s*:down)?")
_UNITS_US = {"ms": 1_000, "s": 1_000_000}


def expected_of(form: Form) -> list[Assertion] | None:
    """The assertions that a form describes. None: it has none of these fields.

    Raises: Unacceptable.
    """
    if "status" not in form.fields:
        return None
    found = [*_texts(form), *_sizes(form), *_numbers(form), *map(_limit, lines(form, "limits"))]
    check_expressions(found)
    return found


def _texts(form: Form) -> Iterator[Assertion]:
    for name, kind in ONE.items():
        if text := form.text(name):
            yield {"kind": kind, "expected": text}
    yield from map(_header, lines(form, "expect_headers"))
    for name, kind in SEVERAL.items():
        for line in lines(form, name):
            yield {"kind": kind, "expected": line}
    yield from map(_value, lines(form, "json"))


def _sizes(form: Form) -> Iterator[Assertion]:
    bounds = {}
    for name, field in (("min_bytes", "at_least"), ("max_bytes", "at_most")):
        if text := form.text(name):
            number = whole(text, 10**12)
            if number is None:
                raise Unacceptable(f"“{text[:20]}” is no number of bytes.")
            bounds[field] = number
    if bounds:
        yield {"kind": "size", **bounds}


def _numbers(form: Form) -> Iterator[Assertion]:
    for name, (kind, field) in NUMBERS.items():
        if text := form.text(name):
            match = _NUMBER.fullmatch(text)
            if match is None:
                raise Unacceptable(f"“{text[:20]}” cannot be. Write 14, or 3:down.")
            yield _graded({"kind": kind, field: int(match[1])}, match[2])


def _header(line: str) -> Assertion:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise Unacceptable(f"“{line[:80]}”: write “Name”, “Name: value” or “Name ~ expression”.")
    name, sign, value = match.groups()
    if sign is None:
        return {"kind": "header_present", "name": name}
    kind = "header_equals" if sign == ":" else "header_matches"
    return {"kind": kind, "name": name, "expected": value}


def _value(line: str) -> Assertion:
    """Read PATH=VALUE; what is not JSON is meant as a text."""
    # Of the equals signs the first after which no bracket of the path is still open.
    match = re.match(r"(\$(?:\[[^\]]*\]|[^=\[])*)=(.*)", line)
    if match is None:
        raise Unacceptable(f"“{line[:80]}”: write a path, = and a value, such as $.status=ok.")
    text = match[2].strip()
    try:
        json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        text = json.dumps(text, ensure_ascii=False)
    return {"kind": "json_equals", "name": match[1].strip(), "expected": text}


def _no_json(word: str) -> None:
    raise ValueError(word)


def _limit(line: str) -> Assertion:
    match = _LIMIT.fullmatch(line)
    if match is None:
        raise Unacceptable(f"“{line[:80]}”: write total=800ms, or wait=2s:down.")
    most = round(float(match[2]) * _UNITS_US[match[3]])
    return _graded({"kind": "limit", "name": match[1], "at_most": most}, match[4])


def _graded(assertion: dict[str, Any], down: str | None) -> Assertion:
    return assertion if down else {**assertion, "degrades": True}


def check_expressions(assertions: Sequence[Assertion]) -> None:
    """Raise Unacceptable for what agents could not match by."""
    for assertion in assertions:
        if assertion["kind"] not in ("body_matches", "header_matches"):
            continue
        try:
            compiled(str(assertion.get("expected", "")))
        except ValueError as error:
            raise Unacceptable(str(error)) from error


def fields(assertions: Sequence[Assertion]) -> dict[str, str] | None:
    """Assertions as they would be typed in. None: they say more than the form can."""
    shown: dict[str, list[str]] = {name: [] for name in NAMES}
    names = {kind: name for name, kind in (ONE | SEVERAL).items()}
    names |= {kind: name for name, (kind, _) in NUMBERS.items()}
    for each in assertions:
        kind, down = each["kind"], "" if each.get("degrades") else ":down"
        if kind == "size":
            shown["min_bytes"] += [str(each["at_least"])] if "at_least" in each else []
            shown["max_bytes"] += [str(each["at_most"])] if "at_most" in each else []
        elif kind == "limit":
            shown["limits"].append(f"{each['name']}={_written(each['at_most'])}{down}")
        elif kind in ("cert_days", "loss"):
            shown[names[kind]].append(f"{each[NUMBERS[names[kind]][1]]}{down}")
        elif kind == "json_equals":
            shown["json"].append(f"{each['name']}={each['expected']}")
        elif kind.startswith("header_"):
            sign = {"header_present": "", "header_equals": ": ", "header_matches": " ~ "}[kind]
            shown["expect_headers"].append(f"{each['name']}{sign}{each.get('expected', '')}")
        else:
            shown[names[kind]].append(each["expected"])
    typed = {name: "\n".join(texts) for name, texts in shown.items()}
    try:
        same = expected_of(Form(typed))
    except Unacceptable:
        return None
    return typed if _sorted(same or []) == _sorted(assertions) else None


def _written(us: int) -> str:
    return f"{us // 1_000_000}s" if us % 1_000_000 == 0 else f"{us / 1_000:g}ms"


def _sorted(assertions: Sequence[Assertion]) -> list[str]:
    """Without their order, and with nothing that goes without saying."""
    return sorted(
        json.dumps(
            {name: value for name, value in each.items() if value is not False}, sort_keys=True
        )
        for each in assertions
    )
