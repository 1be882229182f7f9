"""From blackbox_exporter: its modules, and the targets of Prometheus that are probed with them.

Source: https://github.com/prometheus/blackbox_exporter, CONFIGURATION.md;
https://prometheus.io/docs/prometheus/latest/configuration/configuration/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.errors import CollectorError
from collector.importing.carried import Carried, Import, listing, load, mapping, seconds, text
from collector.operator.duration import written

USUAL_MODULE = "http_2xx"
CARRIED = {
    "http": {
        *("valid_status_codes", "valid_http_versions", "method", "headers", "body", "basic_auth"),
        *("no_follow_redirects", "follow_redirects", "fail_if_not_ssl", "tls_config", "proxy_url"),
        *("fail_if_body_not_matches_regexp", "fail_if_header_not_matches", "bearer_token"),
        *("bearer_token_file", "authorization", "preferred_ip_protocol", "ip_protocol_fallback"),
    },
    "tcp": {"tls", "tls_config", "preferred_ip_protocol", "ip_protocol_fallback"},
    "icmp": {"preferred_ip_protocol", "ip_protocol_fallback"},
    "dns": {"query_name", "query_type", "preferred_ip_protocol", "ip_protocol_fallback"},
}


@dataclass(frozen=True, slots=True)
class Target:
    """What Prometheus has probed, by which module and how often."""

    address: str
    module: str
    job: str
    interval_s: float
    timeout_s: float
    labels: dict[str, Any]


def convert(files: Sequence[Path]) -> Import:
    """Carry every target over. Raises: CollectorError where there are none, or no modules."""
    modules: dict[str, dict[str, Any]] = {}
    targets: list[Target] = []
    notes: list[str] = []
    for file in files:
        content = mapping(load(file))
        modules |= {name: mapping(each) for name, each in mapping(content.get("modules")).items()}
        usual = mapping(content.get("global"))
        for job in map(mapping, listing(content.get("scrape_configs"))):
            targets += targets_of(job, usual, file, notes)
    if not modules or not targets:
        what = "modules" if not modules else "targets under /probe"
        raise CollectorError(
            f"The files hold no {what}: give the configuration of blackbox_exporter (modules) and"
            " that of Prometheus (scrape_configs)."
        )
    return Import([monitor(each, modules) for each in targets], notes)


def targets_of(
    job: dict[str, Any], usual: dict[str, Any], file: Path, notes: list[str]
) -> Iterator[Target]:
    """Yield the targets of a job that is probed; note what else it has."""
    name, parameters = text(job.get("job_name")), mapping(job.get("params"))
    if "module" not in parameters and not text(job.get("metrics_path")).endswith("/probe"):
        return
    interval_s = seconds(job.get("scrape_interval", usual.get("scrape_interval")), 60)
    timeout_s = seconds(job.get("scrape_timeout", usual.get("scrape_timeout")), 10)
    module = text(next(iter(listing(parameters.get("module"))), USUAL_MODULE))
    groups = [mapping(each) for each in listing(job.get("static_configs"))]
    for each in map(mapping, listing(job.get("file_sd_configs"))):
        for pattern in map(text, listing(each.get("files"))):
            found = sorted(file.parent.glob(pattern)) if not pattern.startswith("/") else []
            found = found or [path for path in [Path(pattern)] if path.is_file()]
            notes += [] if found else [f"not carried over: {pattern} of job {name}, not found"]
            groups += [mapping(group) for path in found for group in listing(load(path))]
    for other in sorted(job):
        if other.endswith("_sd_configs") and other != "file_sd_configs":
            notes.append(f"not carried over: {other} of job {name}")
    for group in groups:
        labels = mapping(group.get("labels"))
        for address in listing(group.get("targets")):
            chosen = text(labels.get("__param_module") or labels.get("module") or module)
            shown = {key: each for key, each in labels.items()
                     if not key.startswith("__") and key != "module"}  # fmt: skip
            yield Target(text(address), chosen, name, interval_s, timeout_s, shown)


def monitor(target: Target, modules: dict[str, dict[str, Any]]) -> Carried:
    """Carry one over."""
    found = Carried(f"{target.job}: {target.address}" if target.job else target.address)
    module = modules.get(target.module)
    if module is None:
        found.lost = f"there is no module {target.module!r}"
        return found
    prober = text(module.get("prober"))
    given = mapping(module.get(prober))
    fields, address = found.fields, target.address
    match prober:
        case "http":
            fields["url"] = address if "://" in address else f"http://{address}"
        case "tcp":
            fields["url"] = f"{'tls' if given.get('tls') else 'tcp'}://{address}"
        case "icmp":
            host = f"[{address}]" if address.count(":") > 1 else address
            fields["url"] = f"icmp://{host}"
        case "dns":
            kind = text(given.get("query_type")) or "ANY"
            if kind == "ANY":
                found.drop("the question for ANY; A is asked for")
                kind = "A"
            fields["url"] = (
                f"dns://{address}/{text(given.get('query_name')).rstrip('.')}?type={kind}"
            )
        case _:
            found.lost = f"the prober {prober!r} has no counterpart"
            return found
    fields["interval"] = written(max(1, round(target.interval_s)))
    fields["timeout"] = written(min(seconds(module.get("timeout"), target.timeout_s), 60))
    family(found, given)
    tls(found, mapping(given.get("tls_config")))
    if prober == "http":
        http(found, given)
    # What says false asks for nothing: fail_if_ssl.
    asked = (name for name, value in given.items() if value not in (False, None))
    found.drop(*(f"{prober}.{name}" for name in asked if name not in CARRIED[prober]))
    found.drop(*(f"the label {name}={value}" for name, value in target.labels.items()))
    return found


def family(found: Carried, given: dict[str, Any]) -> None:
    """Carry over which family is asked for, where there is no falling back."""
    wanted = text(given.get("preferred_ip_protocol"))
    if wanted in ("ip4", "ip6") and given.get("ip_protocol_fallback") is False:
        found.fields["ip_version"] = wanted[-1]
    elif wanted:
        found.drop(f"preferred_ip_protocol {wanted}: any family will do")


def tls(found: Carried, given: dict[str, Any]) -> None:
    """Carry over whom to trust and what to show."""
    fields = found.fields
    if given.get("insecure_skip_verify"):
        fields["insecure"] = True
    if given.get("ca_file"):
        fields["authority"] = {"file": text(given["ca_file"])}
    if given.get("cert_file") and given.get("key_file"):
        fields["client_certificate"] = {"file": text(given["cert_file"])}
        fields["client_key"] = {"file": text(given["key_file"])}
    if given.get("server_name"):
        found.drop(f"tls_config.server_name {given['server_name']}")


def http(found: Carried, given: dict[str, Any]) -> None:
    """Carry over what is asked, and expected of the answer."""
    fields = found.fields
    method = text(given.get("method")).upper()
    fields |= {"method": method} if method not in ("", "GET") else {}
    if body := text(given.get("body")):
        fields |= {"body": body, "method": method or "GET"}
    for name, value in mapping(given.get("headers")).items():
        found.header(name, text(value))
    if given.get("no_follow_redirects") or given.get("follow_redirects") is False:
        fields["max_redirects"] = 0
    if proxy := text(given.get("proxy_url")):
        found.proxy(proxy)
    authorization(found, given)
    codes = [text(each) for each in listing(given.get("valid_status_codes"))]
    found.expect("status", expected=",".join(codes) or "200-299")
    for pattern in listing(given.get("fail_if_body_not_matches_regexp")):
        found.expect("body_matches", expected=text(pattern))
    for each in map(mapping, listing(given.get("fail_if_header_not_matches"))):
        if each.get("allow_missing"):
            found.drop(f"fail_if_header_not_matches {each.get('header')}, which may be missing")
        else:
            pattern = text(each.get("regexp"))
            found.expect("header_matches", name=text(each.get("header")), expected=pattern)
    versions = [re.sub(r"^HTTP/|\.0$", "", text(each))
                for each in listing(given.get("valid_http_versions"))]  # fmt: skip
    if len(versions) == 1:
        found.expect("http_version", expected={"1": "1.0"}.get(versions[0], versions[0]))
    elif versions:
        found.drop("valid_http_versions, several of them")
    if given.get("fail_if_not_ssl") and not fields["url"].startswith("https:"):
        found.drop("http.fail_if_not_ssl: watch the https URL")


def authorization(found: Carried, given: dict[str, Any]) -> None:
    """Carry over who asks, but no secret."""
    other = mapping(given.get("authorization"))
    if given.get("basic_auth"):
        found.login("authorization", "basic")
    elif given.get("bearer_token_file"):
        found.fields["authorization"] = {"bearer": {"file": text(given["bearer_token_file"])}}
    elif given.get("bearer_token") or (text(other.get("type") or "Bearer") == "Bearer" and other):
        found.login("authorization", "bearer")
    elif other:
        found.drop(f"authorization of type {other.get('type')}")
