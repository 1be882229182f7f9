"""One value of a JSON document, named by a singular query of RFC 9535. Pure.

Only singular queries (names and indices: ``$.items[0]['full name']``): they find one value or none,
in time proportional to their length. What filters and wildcards find, and how long that takes, is
up to the document, which is a stranger's.

Source: RFC 9535, 2.3.5.1 (singular-query).
"""

from __future__ import annotations

import re
from functools import lru_cache

_SEGMENT = re.compile(
    r"""\.(?P<name>[A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff]*)
    |\[\s*(?P<index>0|-?[1-9][0-9]{0,8})\s*\]
    |\[\s*'(?P<single>(?:[^'\\]|\\['\\])*)'\s*\]
    |\[\s*"(?P<double>(?:[^"\\]|\\["\\])*)"\s*\]""",
    re.VERBOSE | re.ASCII,
)
_ESCAPED = re.compile(r"\\(.)")

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Missing(Exception):
    """The document has no value there."""


@lru_cache(maxsize=1024)
def parse(path: str) -> tuple[str | int, ...]:
    """Return the names and indices that lead to the value.

    Raises: ValueError for what is no singular query.
    """
    if not path.startswith("$"):
        raise ValueError(f"The JSON path {path!r} does not begin with $; write it like $.status.")
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        match = _SEGMENT.match(path, at)
        if match is None:
            raise ValueError(
                f"The JSON path {path!r} cannot be read from character {at + 1} on; "
                "write it like $.items[0]['full name']: wildcards and filters are not supported."
            )
        steps.append(_step(match))
        at = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> str | int:
    if match["index"] is not None:
        return int(match["index"])
    if match["name"] is not None:
        return match["name"]
    quoted = match["single"] if match["single"] is not None else match["double"]
    return _ESCAPED.sub(r"\1", quoted)


def look_up(document: Json, path: tuple[str | int, ...]) -> Json:
    """Return the one value at ``path``, as ``parse`` returned it. Raises: Missing."""
    value = document
    for step in path:
        if not _has(value, step):
            raise Missing
        value = value[step]  # type: ignore[index]
    return value


def _has(value: Json, step: str | int) -> bool:
    if isinstance(step, str):
        return isinstance(value, dict) and step in value
    return isinstance(value, list) and -len(value) <= step < len(value)


def is_same(one: Json, other: Json) -> bool:
    """Compare as JSON does: 1 is 1.0, and neither is true. However deep: it does not recurse."""
    pairs: list[tuple[Json, Json]] = [(one, other)]
    while pairs:
        ours, theirs = pairs.pop()
        if isinstance(ours, bool) or isinstance(theirs, bool):
            is_alike = ours is theirs
        elif isinstance(ours, list) and isinstance(theirs, list):
            is_alike = len(ours) == len(theirs)
            pairs += zip(ours, theirs, strict=False)
        elif isinstance(ours, dict) and isinstance(theirs, dict):
            is_alike = ours.keys() == theirs.keys()
            pairs += [(ours[key], theirs[key]) for key in ours if is_alike]
        else:
            is_alike = ours == theirs
        if not is_alike:
            return False
    return True
