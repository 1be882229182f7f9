"""From Gatus: its configuration's endpoints and their conditions.

Source: https://github.com/TwiN/gatus, README.md, sections Endpoints and Conditions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from collector.assertion import JSON_PATH
from collector.errors import CollectorError
from collector.importing.carried import Carried, Import, listing, load, mapping, seconds, text
from collector.operator.duration import written

STATUSES = (100, 599)
UNKNOWN = ("alerts", "maintenance-windows", "ui", "extra-labels", "ssh", "graphql")
NOT_OURS = (
    *("alerting", "storage", "security", "maintenance", "announcements", "external-endpoints"),
    *("suites", "remote", "connectivity"),
)
CONDITION = re.compile(r"\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*")
Judge = Callable[[Carried, str, str], bool]


def convert(files: Sequence[Path]) -> Import:
    """Carry every endpoint over. Raises: CollectorError for a file without any."""
    carried: list[Carried] = []
    notes: list[str] = []
    for file in files:
        content = mapping(load(file))
        endpoints = listing(content.get("endpoints")) or listing(content.get("services"))
        if not endpoints:
            raise CollectorError(f"{file} holds no endpoints: it is no configuration of Gatus.")
        carried += [endpoint(mapping(each)) for each in endpoints]
        notes += [f"not carried over: {name}" for name in NOT_OURS if content.get(name)]
    return Import(carried, notes)


def endpoint(given: dict[str, Any]) -> Carried:
    """Carry one over."""
    group, name = text(given.get("group")), text(given.get("name")) or text(given.get("url"))
    found = Carried(f"{group}: {name}" if group else name)
    fields = found.fields
    fields["url"] = text(given.get("url"))
    if dns := mapping(given.get("dns")):
        kind = text(dns.get("query-type")) or "A"
        question = text(dns.get("query-name")).rstrip(".")
        server = re.sub(r"^\w+://", "", fields["url"])
        fields["url"] = f"dns://{server}/{question}?type={kind}"
    if given.get("enabled") is False:
        fields["paused"] = True
    fields["interval"] = written(seconds(given.get("interval"), 60))
    client(found, mapping(given.get("client")))
    is_http = fields["url"].startswith("http")
    if is_http:
        method = text(given.get("method")).upper()
        fields |= {"method": method} if method not in ("", "GET") else {}
        for header, value in mapping(given.get("headers")).items():
            found.header(header, text(value))
        if body := text(given.get("body")):
            fields |= {"body": body, "method": method or "GET"}
    conditions = [text(each) for each in listing(given.get("conditions"))]
    for condition in conditions:
        match = CONDITION.fullmatch(condition)
        if not match or not judge(found, *match.groups()):
            found.drop(f"the condition {condition}")
    if is_http and not any("[STATUS]" in each for each in conditions):
        # Without a condition, any status will do there.
        found.expect("status", expected="-".join(map(str, STATUSES)))
    found.drop(*(name for name in UNKNOWN if given.get(name)))
    return found


def client(found: Carried, given: dict[str, Any]) -> None:
    """Carry over how the endpoint is reached."""
    fields = found.fields
    fields["timeout"] = written(min(seconds(given.get("timeout"), 10), 60))
    if given.get("insecure"):
        fields["insecure"] = True
    if given.get("ignore-redirect"):
        fields["max_redirects"] = 0
    if resolver := text(given.get("dns-resolver")):
        fields["name_server"] = re.sub(r"^\w+://", "", resolver)
    if proxy := text(given.get("proxy-url")):
        found.proxy(proxy)
    if (network := text(given.get("network"))) in ("ip4", "ip6"):
        fields["ip_version"] = network[-1]
    tls = mapping(given.get("tls"))
    if tls.get("certificate-file") and tls.get("private-key-file"):
        fields["client_certificate"] = {"file": text(tls["certificate-file"])}
        fields["client_key"] = {"file": text(tls["private-key-file"])}
    for name in ("oauth2", "identity-aware-proxy", "tunnel"):
        if given.get(name):
            found.drop(f"client.{name}")


def judge(found: Carried, left: str, sign: str, right: str) -> bool:
    """Carry a condition over; False: it cannot be."""
    if left == "[CONNECTED]" or (left, sign, right) == ("[DNS_RCODE]", "==", "NOERROR"):
        return right in ("true", "NOERROR")
    if left == "[STATUS]":
        return status(found, sign, right)
    if left == "[RESPONSE_TIME]" and sign in ("<", "<=") and re.fullmatch(r"\d+(ms|s|m)?", right):
        limit_s = int(right) / 1000 if right.isdecimal() else seconds(right, 0)
        found.expect("limit", name="total", at_most=written(limit_s))
        return True
    if left == "[CERTIFICATE_EXPIRATION]" and sign in (">", ">=") and seconds(right, 0):
        found.expect("cert_days", at_least=ceil(seconds(right, 0) / 86400))
        return True
    if left == "[IP]" and sign == "==" and re.fullmatch(r"[0-9a-fA-F.:]+", right):
        found.expect("network", expected=right)
        return True
    if left == "[BODY]" and sign == "==":
        return body(found, right)
    if left.startswith("[BODY]") and sign == "==" and not re.match(r"(pat|any|len|has)\(", right):
        path = "$" + left.removeprefix("[BODY]")
        if JSON_PATH.fullmatch(path) and not right.startswith("["):
            found.expect("json_equals", name=path, expected=scalar(right))
            return True
    return False


def status(found: Carried, sign: str, right: str) -> bool:
    """Turn a comparison of the status into the set that satisfies it."""
    least, most = STATUSES
    if match := re.fullmatch(r"any\(([\d\s,]+)\)", right):
        numbers = sorted({int(each) for each in re.findall(r"\d+", match[1])})
        return sign == "==" and expect_statuses(found, [(each, each) for each in numbers])
    if not right.isdecimal():
        return False
    number = int(right)
    sets = {
        "==": [(number, number)],
        "!=": [(least, number - 1), (number + 1, most)],
        "<": [(least, number - 1)],
        "<=": [(least, number)],
        ">": [(number + 1, most)],
        ">=": [(number, most)],
    }
    return expect_statuses(found, sets[sign])


def expect_statuses(found: Carried, ranges: list[tuple[int, int]]) -> bool:
    """Expect one of several ranges."""
    texts = [str(a) if a == b else f"{a}-{b}" for a, b in ranges if a <= b]
    if texts:
        found.expect("status", expected=",".join(texts))
    return bool(texts)


def body(found: Carried, right: str) -> bool:
    """Expect the whole body, or something in it."""
    if match := re.fullmatch(r"pat\(\*?(.*?)\*?\)", right):
        wanted = match[1]
        if not wanted or re.search(r"[*?\[\\]", wanted) or right != f"pat(*{wanted}*)":
            return False
        found.expect("body_contains", expected=wanted)
        return True
    if re.match(r"(any|len|has)\(|\[", right):
        return False
    found.expect("body_matches", expected=rf"\A\s*{re.escape(right)}\s*\z")
    return True


def scalar(value: str) -> Any:
    """Return what a word in a condition means."""
    if re.fullmatch(r"-?(0|[1-9]\d*)", value):
        return int(value)
    return {"true": True, "false": False, "null": None}.get(value, value)
