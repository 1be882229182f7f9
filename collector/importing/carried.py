"""What was carried over from somewhere else: monitors as a file has them, and what was not.

Secrets are not among it: a monitor says which variable of the environment must hold them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from collector.config import monitors
from collector.config.export import written
from collector.config.kind import free, slug
from collector.config.monitors import Monitors
from collector.config.source import Mistake, parsed
from collector.errors import CollectorError, reason

SECRET_HEADER = re.compile(r"authorization|cookie|key|token|secret|password|signature", re.I)
REFERENCED = ("authorization", "secret_headers", "proxy_login", "client_certificate", "client_key",
              "authority")  # fmt: skip
PROXY = re.compile(r"(https?|socks5h)://([^/?#@\s]+):(\d{1,5})/?")


@dataclass(slots=True)
class Carried:
    """One monitor. ``notes``: what of it was not carried over. ``lost``: why none of it was."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lost: str | None = None

    @property
    def key(self) -> str:
        return slug(self.name)

    def expect(self, kind: str, **values: Any) -> None:
        """Add an assertion."""
        self.fields.setdefault("assertions", []).append({"kind": kind, **values})

    def variable(self, what: str) -> dict[str, str]:
        """Refer to a secret in the environment, and say so."""
        name = re.sub(r"[^A-Z0-9]+", "_", f"{self.key}_{what}".upper()).strip("_")
        return {"env": name if name[:1].isalpha() else f"V_{name}"}

    def login(self, field: str, scheme: str | None = None) -> None:
        """Have user:password, or a token, come from the environment."""
        reference = self.variable(field if field == "proxy_login" else scheme or field)
        self.fields[field] = {scheme: reference} if scheme else reference
        holds = "a token" if scheme == "bearer" else "user:password"
        self.notes.append(f"{field} is not written here: give {reference['env']} ({holds})")

    def header(self, name: str, value: str) -> None:
        """Add a header; one that may be secret comes from the environment."""
        variable = re.fullmatch(r"\$\{?([A-Za-z_]\w*)\}?", value)
        if not variable and not SECRET_HEADER.search(name):
            self.fields.setdefault("headers", {})[name] = value
            return
        reference = {"env": variable[1]} if variable else self.variable(name)
        self.fields.setdefault("secret_headers", {})[name] = reference
        self.notes.append(f"the header {name} may be a secret: give {reference['env']}")

    def proxy(self, url: str) -> None:
        """Go through a proxy, if it can be gone through."""
        match = PROXY.fullmatch(url)
        if match:
            self.fields["proxy"] = f"{match[1]}://{match[2]}:{match[3]}"
        else:
            self.drop("the proxy: http://, https:// or socks5h://host:port, its password apart")

    def drop(self, *whats: str) -> None:
        """Note what is not carried over."""
        self.notes += [f"not carried over: {what}" for what in whats]


@dataclass(frozen=True, slots=True)
class Import:
    """Everything of some files. ``notes``: what is about no single monitor."""

    monitors: Sequence[Carried]
    notes: Sequence[str]

    def as_yaml(self, source: str) -> str:
        """Write a file for vantage apply; what was not carried over is in its comments."""
        lines = [f"# Made by vantage import from {source}.", *comments(self.notes)]
        lines += ["monitors:"] if any(not each.lost for each in self.monitors) else []
        taken: set[str] = set()
        for each in self.monitors:
            fields = in_order(each.fields)
            why = each.lost or complaint(each.key, fields)
            if why:
                lines += comments([f"{each.name!r} is not carried over: {why}"], "  ")
                continue
            key = free(each.key, taken)
            taken.add(key)
            if each.name != key:
                fields = {"url": fields.pop("url"), "name": each.name, **fields}
            lines += comments(each.notes, "  ")
            lines += [f"  {line}" for line in written({key: fields}).splitlines()]
        return "\n".join(lines) + "\n"

    @property
    def remarks(self) -> int:
        """How many comments there are to read."""
        return len(self.notes) + sum(1 if each.lost else len(each.notes) for each in self.monitors)


def in_order(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields in the order in which documents have them."""
    return {each.name: fields[each.name] for each in monitors.FIELDS if each.name in fields}


def complaint(key: str, fields: Mapping[str, Any]) -> str | None:
    """Say why a monitor would be refused; what is referred to is not looked at. None: it is not."""
    plain = {name: value for name, value in fields.items() if name not in REFERENCED}
    try:
        [part] = parsed(written(plain), "")
        Monitors().read(key, Monitors().record.read(part))
    except Mistake as mistake:
        return re.sub(r"^:\d+:\d+: ", "", str(mistake), flags=re.M).replace("\n", " ")
    return None


def comments(notes: Iterable[str], indent: str = "") -> list[str]:
    """Write notes as comments."""
    return [f"{indent}# {' '.join(note.split())}" for note in dict.fromkeys(notes)]


def load(file: Path) -> Any:
    """Read a YAML file, or a JSON file, which is one too. Raises: CollectorError."""
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return yaml.load(file.read_text(encoding="utf-8-sig"), Loader=loader)  # noqa: S506 - safe
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise CollectorError(f"{file} cannot be read: {reason(error)}.") from error
    except yaml.YAMLError as error:
        raise CollectorError(f"{file} is neither YAML nor JSON: {one_line(error)}.") from error


def one_line(error: Exception) -> str:
    """Return an error's words on one line."""
    return " ".join(str(error).split()).rstrip(".")


def mapping(value: Any) -> dict[str, Any]:
    """Return a mapping; of anything else, an empty one."""
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """Return a list; of anything else, an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return a text; of nothing, an empty one."""
    return "" if value is None else str(value)


def seconds(value: Any, usual: float) -> float:
    """Read a duration of Go or Prometheus, such as 1m30s, or a number of seconds."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
    if isinstance(value, int | float):
        return float(value)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhdwy])", text(value))
    if "".join(map("".join, parts)) != text(value) or not parts:
        return usual
    return sum(float(number) * units[unit] for number, unit in parts)
