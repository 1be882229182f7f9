"""What other tools watch, carried over: the samples are ours, in the forms that they document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from collector.config.configuration import read
from collector.importing import blackbox, gatus, uptime_kuma
from collector.importing.carried import Import
from collector.operator.main import main

MODULES = """
modules:
  http_2xx:
    prober: http
  shop:
    prober: http
    timeout: 5s
    http:
      method: POST
      valid_status_codes: [200, 204]
      valid_http_versions: ["HTTP/2.0"]
      headers: {Accept-Language: de, X-Api-Key: hidden-key}
      body: '{"dry_run": true}'
      follow_redirects: false
      basic_auth: {username: ann, password: hidden-password}
      fail_if_body_not_matches_regexp: ["in stock"]
      fail_if_body_matches_regexp: ["error"]
      fail_if_ssl: false
      fail_if_header_not_matches: [{header: Server, regexp: "^shop"}]
      preferred_ip_protocol: ip4
      ip_protocol_fallback: false
      tls_config: {insecure_skip_verify: true, ca_file: authority.pem}
  ssh: {prober: tcp, tcp: {query_response: [{expect: "^SSH-2.0-"}]}}
  tls: {prober: tcp, tcp: {tls: true}}
  ping: {prober: icmp}
  names: {prober: dns, dns: {query_name: shop.example., query_type: MX, valid_rcodes: [NOERROR]}}
  rpc: {prober: grpc}
"""
PROMETHEUS = """
global: {scrape_interval: 1m30s}
scrape_configs:
  - job_name: node
    static_configs: [{targets: ["node:9100"]}]
  - job_name: sites
    metrics_path: /probe
    scrape_interval: 30s
    params: {module: [shop]}
    static_configs:
      - targets: [https://shop.example/stock]
        labels: {team: web}
      - targets: [plain.example]
        labels: {__param_module: http_2xx}
    relabel_configs: [{source_labels: [__address__], target_label: __param_target}]
  - job_name: others
    metrics_path: /probe
    file_sd_configs: [{files: ["targets/*.json", "missing.yml"]}]
    consul_sd_configs: [{server: "c:1"}]
"""
TARGETS = [
    {"targets": ["db.example:22"], "labels": {"module": "ssh"}},
    {"targets": ["ldap.example:636"], "labels": {"module": "tls"}},
    {"targets": ["router.example", "2001:db8::1"], "labels": {"module": "ping"}},
    {"targets": ["192.0.2.53"], "labels": {"module": "names"}},
    {"targets": ["grpc.example:1"], "labels": {"module": "rpc"}},
    {"targets": ["x.example"], "labels": {"module": "nowhere"}},
]

GATUS = r"""
alerting: {slack: {webhook-url: hidden-hook}}
endpoints:
  - name: Front page
    group: shop
    url: https://shop.example/
    interval: 1m30s
    headers: {Accept: text/html, X-Token: "${SHOP_TOKEN}", Cookie: hidden-cookie}
    client: {timeout: 3s, insecure: true, ignore-redirect: true, dns-resolver: "udp://192.0.2.53:53",
             proxy-url: "http://proxy.example:3128", oauth2: {client-id: x}}
    alerts: [{type: slack}]
    conditions:
      - "[STATUS] == any(200, 429)"
      - "[RESPONSE_TIME] < 300"
      - "[CERTIFICATE_EXPIRATION] > 48h"
      - "[BODY] == pat(*Add to basket*)"
      - "len([BODY].data) < 5"
  - name: API
    url: https://api.example/health
    enabled: false
    method: POST
    graphql: true
    body: "{ ping }"
    conditions:
      - "[STATUS] != 404"
      - "[STATUS] < 500"
      - "[BODY].status == UP"
      - "[BODY].queues[0].length == 0"
      - "[IP] == 192.0.2.7"
      - "[BODY].age == [BODY].id"
  - name: no status
    url: http://plain.example/
    conditions: ["[CONNECTED] == true", "[BODY] == pong"]
  - name: mail records
    url: 192.0.2.53
    dns: {query-name: shop.example., query-type: MX}
    conditions: ["[DNS_RCODE] == NOERROR"]
  - name: database
    url: tcp://db.example:5432
    conditions: ["[CONNECTED] == true"]
  - name: game
    url: udp://game.example:1
"""

KUMA = {
    "version": "1.23.13",
    "notificationList": [{"id": 1, "name": "mail"}],
    "proxyList": [{"id": 4, "protocol": "http", "host": "proxy.example", "port": 3128,
                   "auth": True, "username": "pat", "password": "hidden-proxy"}],
    "monitorList": [
        {"id": 1, "type": "group", "name": "Shop"},
        {"id": 2, "type": "keyword", "name": "Front page", "parent": 1, "url": "https://shop.example/",
         "method": "GET", "interval": 60, "active": True, "keyword": "Add to basket",
         "maxretries": 3, "maxredirects": 10, "accepted_statuscodes": ["200-299", "301"],
         "expiryNotification": True, "ignoreTls": False, "upsideDown": False, "proxyId": 4,
         "headers": '{"Accept": "text/html", "X-Auth-Token": "hidden-token"}', "body": None,
         "basic_auth_user": "ann", "basic_auth_pass": "hidden-password", "tags": [{"name": "x"}]},
        {"id": 3, "type": "json-query", "name": "Health", "url": "https://api.example/health",
         "interval": 20, "active": False, "jsonPath": "status", "expectedValue": "ok",
         "accepted_statuscodes": ["200-299"], "ignoreTls": True, "maxredirects": 0},
        {"id": 4, "type": "port", "name": "Database", "hostname": "db.example", "port": 5432},
        {"id": 5, "type": "ping", "name": "Router", "hostname": "2001:db8::1", "interval": 10},
        {"id": 6, "type": "dns", "name": "Names", "hostname": "shop.example", "port": 53,
         "dns_resolve_server": "192.0.2.53, 192.0.2.54", "dns_resolve_type": "MX"},
        {"id": 7, "type": "push", "name": "Cron", "pushToken": "hidden-push"},
        {"id": 8, "type": "http", "name": "Must be away", "url": "http://x.example",
         "upsideDown": True},
    ],
}  # fmt: skip


def carried(found: Import) -> tuple[dict[str, Any], str]:
    """Return what a file holds, as YAML reads it, and the whole text."""
    text = found.as_yaml("a test")
    assert "hidden" not in text
    monitors: dict[str, Any] = yaml.safe_load(text)["monitors"]
    return monitors, text


def test_blackbox_exporters_modules_and_prometheus_targets(tmp_path: Path) -> None:
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "all.json").write_text(json.dumps(TARGETS))
    for name, content in (("blackbox.yml", MODULES), ("prometheus.yml", PROMETHEUS)):
        (tmp_path / name).write_text(content)
    monitors, text = carried(
        blackbox.convert([tmp_path / "blackbox.yml", tmp_path / "prometheus.yml"])
    )
    assert monitors["sites-https-shop.example-stock"] == {
        "url": "https://shop.example/stock",
        "name": "sites: https://shop.example/stock",
        "interval": "30s",
        "timeout": "5s",
        "max_redirects": 0,
        "method": "POST",
        "headers": {"Accept-Language": "de"},
        "body": '{"dry_run": true}',
        "ip_version": "4",
        "insecure": True,
        "authorization": {"basic": {"env": "SITES_HTTPS_SHOP_EXAMPLE_STOCK_BASIC"}},
        "secret_headers": {"X-Api-Key": {"env": "SITES_HTTPS_SHOP_EXAMPLE_STOCK_X_API_KEY"}},
        "authority": {"file": "authority.pem"},
        "assertions": [
            {"kind": "status", "expected": "200,204"},
            {"kind": "body_matches", "expected": "in stock"},
            {"kind": "header_matches", "name": "Server", "expected": "^shop"},
            {"kind": "http_version", "expected": "2"},
        ],
    }
    assert monitors["sites-plain.example"]["url"] == "http://plain.example"
    assert monitors["sites-plain.example"]["assertions"] == [
        {"kind": "status", "expected": "200-299"}
    ]
    assert [each["url"] for each in monitors.values()][2:] == [
        *("tcp://db.example:22", "tls://ldap.example:636", "icmp://router.example"),
        *("icmp://[2001:db8::1]", "dns://192.0.2.53/shop.example?type=MX"),
    ]
    assert monitors["others-db.example-22"]["interval"] == "90s"
    for remark in (
        "not carried over: http.fail_if_body_matches_regexp",
        "not carried over: the label team=web",
        "not carried over: tcp.query_response",
        "not carried over: dns.valid_rcodes",
        "not carried over: consul_sd_configs of job others",
        "not carried over: missing.yml of job others, not found",
        "'others: grpc.example:1' is not carried over: the prober 'grpc' has no counterpart",
        "'others: x.example' is not carried over: there is no module 'nowhere'",
    ):
        assert f"# {remark}" in text, remark
    assert "fail_if_ssl" not in text, "what is false asks for nothing"


def test_gatus_endpoints_and_conditions(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(GATUS)
    monitors, text = carried(gatus.convert([tmp_path / "config.yaml"]))
    assert monitors["shop-front-page"] == {
        "url": "https://shop.example/",
        "name": "shop: Front page",
        "interval": "90s",
        "timeout": "3s",
        "max_redirects": 0,
        "headers": {"Accept": "text/html"},
        "insecure": True,
        "secret_headers": {
            "X-Token": {"env": "SHOP_TOKEN"},
            "Cookie": {"env": "SHOP_FRONT_PAGE_COOKIE"},
        },
        "proxy": "http://proxy.example:3128",
        "name_server": "192.0.2.53:53",
        "assertions": [
            {"kind": "status", "expected": "200,429"},
            {"kind": "limit", "name": "total", "at_most": "300ms"},
            {"kind": "cert_days", "at_least": 2},
            {"kind": "body_contains", "expected": "Add to basket"},
        ],
    }
    api = monitors["api"]
    assert (api["method"], api["body"], api["paused"]) == ("POST", "{ ping }", True)
    assert api["assertions"] == [
        {"kind": "status", "expected": "100-403,405-599"},
        {"kind": "status", "expected": "100-499"},
        {"kind": "json_equals", "name": "$.status", "expected": "UP"},
        {"kind": "json_equals", "name": "$.queues[0].length", "expected": 0},
        {"kind": "network", "expected": "192.0.2.7"},
    ]
    assert monitors["no-status"]["assertions"] == [
        {"kind": "body_matches", "expected": r"\A\s*pong\s*\z"},
        {"kind": "status", "expected": "100-599"},
    ]
    assert monitors["mail-records"]["url"] == "dns://192.0.2.53/shop.example?type=MX"
    assert monitors["database"]["url"] == "tcp://db.example:5432"
    for remark in (
        "not carried over: alerting",
        "not carried over: client.oauth2",
        "not carried over: the condition len([BODY].data) < 5",
        "not carried over: the condition [BODY].age == [BODY].id",
        "not carried over: graphql",
        "'game' is not carried over: url: The URL 'udp://game.example:1' must begin with",
    ):
        assert f"# {remark}" in text, remark


def test_uptime_kumas_backup(tmp_path: Path) -> None:
    (tmp_path / "backup.json").write_text(json.dumps(KUMA))
    monitors, text = carried(uptime_kuma.convert([tmp_path / "backup.json"]))
    assert monitors["shop-front-page"] == {
        "url": "https://shop.example/",
        "name": "Shop: Front page",
        "interval": "1m",
        "timeout": "48s",
        "max_redirects": 10,
        "headers": {"Accept": "text/html"},
        "authorization": {"basic": {"env": "SHOP_FRONT_PAGE_BASIC"}},
        "secret_headers": {"X-Auth-Token": {"env": "SHOP_FRONT_PAGE_X_AUTH_TOKEN"}},
        "proxy": "http://proxy.example:3128",
        "proxy_login": {"env": "SHOP_FRONT_PAGE_PROXY_LOGIN"},
        "assertions": [
            {"kind": "status", "expected": "200-299,301"},
            {"kind": "cert_days", "at_least": 14, "degrades": True},
            {"kind": "body_contains", "expected": "Add to basket"},
        ],
    }
    health = monitors["health"]
    assert (health["paused"], health["insecure"], health["timeout"]) == (True, True, "16s")
    assert health["assertions"][1:] == [
        {"kind": "json_equals", "name": "$.status", "expected": "ok"}
    ]
    assert [monitors[name]["url"] for name in ("database", "router", "names")] == [
        "tcp://db.example:5432", "icmp://[2001:db8::1]", "dns://192.0.2.53/shop.example?type=MX",
    ]  # fmt: skip
    for remark in (
        "not carried over: notifications",
        "not carried over: maxretries",
        "not carried over: the name servers besides 192.0.2.53",
        "'Cron' is not carried over: monitors of type 'push' have no counterpart",
        "'Must be away' is not carried over: it is upside down",
    ):
        assert f"# {remark}" in text, remark


@pytest.mark.parametrize(
    ("tool", "content", "sentence"),
    [
        ("gatus", "a: [", "is neither YAML nor JSON"),
        ("gatus", "monitors: {}", "holds no endpoints: it is no configuration of Gatus."),
        ("uptime-kuma", "[]", "has no monitorList: it is no backup of Uptime Kuma."),
        ("blackbox", "modules: {a: {prober: http}}", "The files hold no targets under /probe"),
        ("blackbox", "scrape_configs: 3", "The files hold no modules"),
    ],
)
def test_what_is_no_such_file_is_said(
    tool: str, content: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "given").write_text(content)
    result = CliRunner().invoke(main, ["import", tool, str(tmp_path / "given")])
    assert (result.exit_code, sentence in result.output) == (1, True), result.output


@pytest.mark.parametrize("nonsense", [3, "x", [1], {"a": 1}, None, True])
def test_fields_of_a_wrong_type_are_no_crash(nonsense: object, tmp_path: Path) -> None:
    fields = ("url", "headers", "conditions", "client", "interval", "dns", "body", "hostname",
              "accepted_statuscodes", "maxredirects", "proxyId", "active")  # fmt: skip
    one = {"name": nonsense, "type": "http", **dict.fromkeys(fields, nonsense)}
    (tmp_path / "given").write_text(json.dumps({"endpoints": [one], "monitorList": [one]}))
    for tool in ("gatus", "uptime-kuma"):
        result = CliRunner().invoke(main, ["import", tool, str(tmp_path / "given")])
        assert result.exit_code == 0, result.output


def test_what_is_printed_is_what_apply_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backup.json").write_text(json.dumps(KUMA))
    result = CliRunner().invoke(main, ["import", "uptime-kuma", str(tmp_path / "backup.json")])
    assert "7 found" in result.stderr
    (tmp_path / "v.yaml").write_text(result.stdout)
    for name, value in (("BASIC", "a:b"), ("X_AUTH_TOKEN", "t"), ("PROXY_LOGIN", "p:q")):
        monkeypatch.setenv(f"SHOP_FRONT_PAGE_{name}", value)
    [document] = read([tmp_path / "v.yaml"])
    assert [entry.key for entry in document.entries] == [
        "shop-front-page", "health", "database", "router", "names"]  # fmt: skip
