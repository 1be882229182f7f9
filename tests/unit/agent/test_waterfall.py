from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from agent.result import Chain, Exchange, Failure, Handshake, Outcome, Phases, Result
from agent.waterfall import as_json, waterfall

SLOT_US = 1_795_476_250_206_707
HOP = Exchange(
    url="http://example.com/",
    phases=Phases(2_000, 10_000, None, 0, 8_000, 0),
    total_us=20_000,
    http_status=301,
    http_version="1.1",
    header_bytes=120,
    target_ip=bytes((93, 184, 216, 34)),
    target_port=80,
    local_ip=bytes((10, 0, 0, 5)),
    rtt_us=9_900,
)
LAST = Exchange(
    url="https://example.com/",
    phases=Phases(1_000, 10_000, 20_000, 100, 30_000, 18_900),
    total_us=80_000,
    http_status=200,
    http_version="2",
    header_bytes=300,
    body_bytes=12_345,
    target_ip=bytes.fromhex("26064700000000000000000000001111"),
    target_port=443,
    local_ip=bytes.fromhex("26064700000000000000000000001234"),
    rtt_us=9_800,
    cert_expires_at_us=SLOT_US + 40 * 86_400_000_000 + 1_000_000,
    start_us=20_000,
    handshake=Handshake("1.3", "TLS_AES_128_GCM_SHA256", Chain((b"",), bytes(32), None)),
)
UP = Result(
    monitor_id=7,
    slot_at_us=SLOT_US,
    started_at_us=SLOT_US + 12,
    outcome=Outcome.UP,
    failure=None,
    exchanges=(HOP, LAST),
    redirect_us=20_000,
    total_us=100_000,
    delay_us=12,
    lag_us=300,
)
DOWN = Result(
    monitor_id=7,
    slot_at_us=SLOT_US,
    started_at_us=SLOT_US,
    outcome=Outcome.DOWN,
    failure=Failure("dns_nxdomain", "nosuch.example: no such name"),
    exchanges=(Exchange("http://nosuch.example/", Phases(dns_us=1_500), 1_500, target_port=80),),
    redirect_us=0,
    total_us=1_500,
    lag_us=9_000,
    suspect=True,
)


def test_a_waterfall_is_drawn_on_one_scale() -> None:
    # 21 columns of labels, 50 for 100 ms: 2 ms a column.
    assert waterfall(UP, width=71).splitlines() == [
        "1. http://example.com/  301 HTTP/1.1",
        "   93.184.216.34:80, from 10.0.0.5, round trip 9.9 ms",
        "   headers 120 bytes, body 0 bytes",
        "   dns        2.0 ms █",
        "   connect   10.0 ms  █████",
        "   send       0.0 ms       ▏",
        "   wait       8.0 ms       ████",
        "   receive    0.0 ms           ▏",
        "   total     20.0 ms",
        "",
        "2. https://example.com/  200 HTTP/2",
        "   [2606:4700::1111]:443, from 2606:4700::1234, round trip 9.8 ms",
        "   TLS 1.3 TLS_AES_128_GCM_SHA256, certificate expires in 40 days",
        "   headers 300 bytes, body 12345 bytes",
        "   dns        1.0 ms           ▌",
        "   connect   10.0 ms           ▐████▌",
        "   tls       20.0 ms                ▐█████████▌",
        "   send       0.1 ms                          ▏",
        "   wait      30.0 ms                          ▐██████████████▌",
        "   receive   18.9 ms                                         ▐█████████",
        "   total     80.0 ms",
        "",
        "up in 100.0 ms, 20.0 ms of it in 1 redirect",
    ]


def test_a_failure_is_told_with_its_phase_and_words() -> None:
    drawn = waterfall(DOWN)
    assert "1. http://nosuch.example/  no response" in drawn
    assert "down in 1.5 ms" in drawn
    assert "dns_nxdomain in phase dns: nosuch.example: no such name" in drawn
    assert "suspect: the probing loop was blocked for 9.0 ms" in drawn


@given(width=st.integers(40, 200), spent=st.lists(st.integers(0, 10**7), min_size=6, max_size=6))
def test_no_line_is_wider_than_the_terminal(width: int, spent: list[int]) -> None:
    exchange = Exchange("http://a.example/" + "x" * 300, Phases(*spent), sum(spent))
    result = Result(1, 0, 0, Outcome.UP, None, (exchange,), 0, sum(spent))
    lines = waterfall(result, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) >= 9


def test_json_is_named_like_the_columns() -> None:
    found = json.loads(json.dumps(as_json(UP)))
    assert found["slot_at"] == "2026-11-23T23:24:10.206707Z"
    assert found["started_at"] == "2026-11-23T23:24:10.206719Z"
    assert found["cert_expires_at"] == "2027-01-02T23:24:11.206707Z"
    assert (found["tls_version"], found["tls_cipher"]) == ("1.3", "TLS_AES_128_GCM_SHA256")
    assert found["outcome"] == "up"
    assert found["failure"] is None
    assert found["url"] == "https://example.com/"
    assert found["target_ip"] == "2606:4700::1111"
    assert found["redirects"] == 1
    assert (
        found["redirect_us"]
        + sum(
            found[f"{phase}_us"] for phase in ("dns", "connect", "tls", "send", "wait", "receive")
        )
        == (found["total_us"])
    )
    assert [each["hop"] for each in found["exchanges"]] == [1, 2]
    assert found["exchanges"][0]["tls_us"] is None
    assert found["exchanges"][0]["local_ip"] == "10.0.0.5"


def test_json_of_a_failure_has_nulls_for_what_is_unknown() -> None:
    found = as_json(DOWN)
    assert found["failure"] == "dns_nxdomain"
    assert found["detail"] == "nosuch.example: no such name"
    assert found["connect_us"] is None
    assert found["target_ip"] is None
    assert found["http_version"] is None
    assert found["suspect"] is True
