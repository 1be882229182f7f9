"""From Uptime Kuma: the JSON of its backup.

Source: https://github.com/louislam/uptime-kuma, server/model/monitor.js.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collector.assertion import JSON_PATH
from collector.errors import CollectorError
from collector.importing.carried import Carried, Import, listing, load, mapping, seconds, text
from collector.operator.duration import written

WARNED_DAYS = 14
RETRIES = ("maxretries", "resendInterval")
TAGS = ("tags", "description")


def convert(files: Sequence[Path]) -> Import:
    """Carry every monitor over. Raises: CollectorError for a file that is no backup."""
    carried: list[Carried] = []
    notes: list[str] = []
    for file in files:
        content = mapping(load(file))
        if "monitorList" not in content:
            raise CollectorError(f"{file} has no monitorList: it is no backup of Uptime Kuma.")
        given = [mapping(each) for each in listing(content["monitorList"])]
        proxies = {
            text(each.get("id")): each for each in map(mapping, listing(content.get("proxyList")))
        }
        groups = {text(each.get("id")): text(each.get("name")) for each in given}
        for each in given:
            if each.get("type") != "group":
                carried.append(monitor(each, proxies, groups))
        if content.get("notificationList"):
            notes.append("not carried over: notifications")
        if any(each.get("type") == "group" for each in given):
            notes.append("groups are part of the monitors' names")
    return Import(carried, notes)


def monitor(
    given: dict[str, Any], proxies: dict[str, dict[str, Any]], groups: dict[str, str]
) -> Carried:
    """Carry one over."""
    kind, name = text(given.get("type")), text(given.get("name")) or "unnamed"
    group = groups.get(text(given.get("parent")), "") if given.get("parent") else ""
    found = Carried(f"{group}: {name}" if group else name)
    host, port = text(given.get("hostname")), text(given.get("port"))
    match kind:
        case "http" | "keyword" | "json-query":
            http(found, given)
        case "port":
            found.fields["url"] = f"tcp://{bracketed(host)}:{port}"
        case "ping":
            found.fields["url"] = f"icmp://{bracketed(host)}"
        case "dns":
            question(found, given)
        case "mqtt":
            found.fields["url"] = f"mqtt://{bracketed(host)}:{port or 1883}"
            found.drop("topic, message and login: only the broker's first answer is looked at")
        case _:
            found.lost = f"monitors of type {kind!r} have no counterpart"
    if given.get("upsideDown"):
        found.lost = "it is upside down: up when the target is down"
    interval_s = seconds(given.get("interval"), 60)
    # Before 1.23 there was no timeout but this one.
    timeout_s = min(seconds(given.get("timeout"), 0) or interval_s * 0.8, 60)
    found.fields["interval"] = written(interval_s)
    found.fields["timeout"] = written(timeout_s)
    if not given.get("active", True):
        found.fields["paused"] = True
    if proxy := proxies.get(text(given.get("proxyId"))):
        found.proxy(f"{proxy.get('protocol')}://{proxy.get('host')}:{proxy.get('port')}")
        if proxy.get("auth") and "proxy" in found.fields:
            found.login("proxy_login")
    found.drop(*(name for name in RETRIES if given.get(name)))
    found.drop(*(name for name in TAGS if given.get(name)))
    return found


def http(found: Carried, given: dict[str, Any]) -> None:
    """Carry over what is asked, and expected of the answer."""
    fields = found.fields
    fields["url"] = text(given.get("url"))
    method = text(given.get("method")).upper() or "GET"
    fields |= {"method": method} if method != "GET" else {}
    try:
        headers = mapping(json.loads(text(given.get("headers")) or "{}"))
    except ValueError:
        headers = {}
        found.drop("headers, which are no JSON")
    for name, content in headers.items():
        found.header(name, text(content))
    if body := text(given.get("body")):
        fields |= {"body": body, "method": method}
    fields["max_redirects"] = min(int(seconds(given.get("maxredirects"), 0)), 50)
    if given.get("ignoreTls"):
        fields["insecure"] = True
    authorization(found, given)
    if codes := listing(given.get("accepted_statuscodes")):
        found.expect("status", expected=",".join(map(text, codes)))
    if given.get("expiryNotification") and fields["url"].startswith("https"):
        found.expect("cert_days", at_least=WARNED_DAYS, degrades=True)
    if given.get("type") == "keyword":
        if given.get("invertKeyword"):
            found.drop("the keyword that must not be there")
        else:
            found.expect("body_contains", expected=text(given.get("keyword")))
    if given.get("type") == "json-query":
        path = text(given.get("jsonPath"))
        path = path if path.startswith("$") else f"$.{path}"
        if JSON_PATH.fullmatch(path) and given.get("jsonPathOperator", "==") == "==":
            found.expect("json_equals", name=path, expected=value(text(given.get("expectedValue"))))
        else:
            found.drop(f"the JSON query {path}")


def authorization(found: Carried, given: dict[str, Any]) -> None:
    """Carry over who asks, but no secret."""
    method = given.get("authMethod")
    if method in ("basic", "", None) and given.get("basic_auth_user"):
        found.login("authorization", "basic")
    elif method == "mtls":
        for field in ("client_certificate", "client_key"):
            found.fields[field] = found.variable(field)
        found.notes.append(
            f"certificate and key are not written here: give {found.variable('client_key')['env']}"
            f" and {found.variable('client_certificate')['env']} (PEM)"
        )
    elif method not in ("basic", "", None):
        found.drop(f"authorization by {method}")


def question(found: Carried, given: dict[str, Any]) -> None:
    """Carry a question to a name server over."""
    servers = re.split(r"[,\s]+", text(given.get("dns_resolve_server")).strip())
    server, port = bracketed(servers[0]), text(given.get("port"))
    server = f"{server}:{port}" if port not in ("", "53") else server
    kind = text(given.get("dns_resolve_type")) or "A"
    found.fields["url"] = f"dns://{server}/{text(given.get('hostname'))}?type={kind}"
    if len(servers) > 1:
        found.drop(f"the name servers besides {servers[0]}")


def bracketed(host: str) -> str:
    """Write a host as a URL does."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def value(expected: str) -> Any:
    """Return what is expected, a number or a word of JSON as such."""
    try:
        return json.loads(expected)
    except ValueError:
        return expected
