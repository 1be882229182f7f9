from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import wire
from tests.support.rows import named
from vantage.v1 import result_pb2

NOW_US = 1_800_000_000_000_000
MICROS = st.none() | st.integers(0, 60_000_000)


def sound(**changes: Any) -> result_pb2.Result:
    fields: dict[str, Any] = {
        "monitor_id": 1,
        "slot_at_us": NOW_US - 1,
        "started_at_us": NOW_US,
        "outcome": result_pb2.OUTCOME_UP,
        "exchanges": [result_pb2.Exchange(total_us=0)],
    }
    return result_pb2.Result(**{**fields, **changes})


ORIGIN = wire.Origin(b"agent", "fra")


def rows(message: result_pb2.Result) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    result, exchanges = wire.rows(message, ORIGIN, NOW_US)
    return named(result, wire.RESULT_COLUMNS), [
        named(each, wire.EXCHANGE_COLUMNS) for each in exchanges
    ]


def row(message: result_pb2.Result) -> dict[str, Any]:
    result, _ = rows(message)
    return result


@given(st.tuples(*[MICROS] * 6), st.integers(0, 60_000_000))
def test_phases_keep_null_and_zero_apart(phases: tuple[int | None, ...], redirect_us: int) -> None:
    names = ["dns_us", "connect_us", "tls_us", "send_us", "wait_us", "receive_us"]
    reached = {n: v for n, v in zip(names, phases, strict=True) if v is not None}
    total_us = sum(reached.values()) + redirect_us
    message = sound(
        exchanges=[result_pb2.Exchange(phases=result_pb2.Phases(**reached))],
        redirect_us=redirect_us,
        total_us=total_us,
    )
    found = row(message)
    assert {name: found[name] for name in names} == {n: reached.get(n) for n in names}
    assert found["total_us"] == total_us


NUMBERS = ("redirect_us", "total_us", "delay_us", "lag_us", "resources_us")
SIZES = ("header_bytes", "body_bytes", "rtt_us")


@pytest.mark.parametrize("name", [*NUMBERS, *SIZES, *wire.PHASES_US])
def test_a_negative_number_is_refused_by_its_name(name: str) -> None:
    message = sound()
    exchange = message.exchanges[0]
    place = message if name in NUMBERS else exchange if name in SIZES else exchange.phases
    setattr(place, name, -1)
    with pytest.raises(wire.RefusedResult, match=f"{name} is -1"):
        rows(message)


MEASURES = dict(zip((*wire.PHASES_US, "rtt_us"), range(3, 10), strict=True))


@pytest.mark.parametrize("absent", [None, *MEASURES, "cert_expires_at", "http_status"])
@pytest.mark.parametrize("is_zero", [True, False])
def test_a_row_holds_what_was_measured_whatever_is_missing(
    absent: str | None, is_zero: bool
) -> None:
    """Where all is there a row is made at once, else cell by cell: both are the same row."""
    wanted: dict[str, int | None] = {
        **MEASURES,
        "cert_expires_at": NOW_US,
        "http_status": 204,
    }
    if absent is not None:
        wanted[absent] = 0 if is_zero and absent != "http_status" else None
    told: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    phases = {name: told.pop(name) for name in wire.PHASES_US if name in told}
    total_us = sum(phases.values())
    if (expires_at := told.pop("cert_expires_at", None)) is not None:
        told["cert_expires_at_us"] = expires_at
    exchange = result_pb2.Exchange(
        phases=result_pb2.Phases(**phases),
        **told,
        target_ip=bytes([192, 0, 2, 1]),
        target_port=443,
        http_version="2",
        header_bytes=11,
        body_bytes=2**40,
    )
    found = row(sound(exchanges=[exchange], total_us=total_us, delay_us=5, lag_us=4, suspect=True))
    if wanted["cert_expires_at"] is not None:
        wanted["cert_expires_at"] -= wire.POSTGRES_EPOCH_US
    assert found == {
        **dict.fromkeys(wire.RESULT_COLUMNS),
        **wanted,
        "slot_at": NOW_US - 1 - wire.POSTGRES_EPOCH_US,
        "started_at": NOW_US - wire.POSTGRES_EPOCH_US,
        "monitor_id": 1,
        "total_us": total_us,
        "redirect_us": 0,
        "redirects": 0,
        "delay_us": 5,
        "lag_us": 4,
        "header_bytes": 11,
        "body_bytes": 2**40,
        "target_port": 443,
        "target_ip": bytes([2, 32, 0, 4, 192, 0, 2, 1]),
        "http_version": "2",
        "agent_id": b"agent",
        "location": "fra",
        "outcome": "up",
        "suspect": b"\1",
        "is_extra": b"\0",
    }


@given(st.integers(-(2**31), 2**31 - 1).filter(bool))
def test_a_total_that_is_not_the_sum_is_refused(total_us: int) -> None:
    with pytest.raises(wire.RefusedResult):
        rows(sound(total_us=total_us))


def test_instants_count_from_postgres_epoch() -> None:
    assert row(sound())["started_at"] == NOW_US - 946_684_800_000_000


@pytest.mark.parametrize("slot_at_us", [0, NOW_US + 86_400_000_001, -1, 2**63 - 1])
def test_an_instant_no_clock_says_is_refused(slot_at_us: int) -> None:
    with pytest.raises(wire.RefusedResult, match="sound clock"):
        rows(sound(slot_at_us=slot_at_us))


def test_redirects_become_hops_and_name_where_they_ended() -> None:
    hops = [result_pb2.Exchange(url=f"http://x/{n}") for n in range(3)]
    result, exchanges = rows(sound(exchanges=hops))
    assert (result["redirects"], result["url"]) == (2, "http://x/2")
    assert [(e["hop"], e["url"]) for e in exchanges] == [(1, "http://x/0"), (2, "http://x/1")]


def test_only_hops_are_redirects_and_every_role_is_numbered_by_itself() -> None:
    hop, pair, resource = (
        result_pb2.EXCHANGE_ROLE_HOP,
        result_pb2.EXCHANGE_ROLE_PAIR,
        result_pb2.EXCHANGE_ROLE_RESOURCE,
    )
    made = [
        result_pb2.Exchange(role=pair, url="http://x/"),
        result_pb2.Exchange(
            role=pair, start_us=7, outcome=result_pb2.OUTCOME_DOWN, failure="other", detail="why"
        ),
        result_pb2.Exchange(role=resource, outcome=result_pb2.OUTCOME_UP),
        result_pb2.Exchange(role=hop),
        result_pb2.Exchange(role=hop, url="http://x/end"),
    ]
    result, exchanges = rows(sound(exchanges=made))
    assert (result["redirects"], result["url"]) == (1, "http://x/end")
    found = [(e["role"], e["hop"], e["start_us"], e["outcome"], e["failure"]) for e in exchanges]
    assert found == [
        ("pair", 1, 0, None, None),
        ("pair", 2, 7, "down", "other"),
        ("resource", 1, 0, "up", None),
        ("hop", 1, 0, None, None),
    ]
    assert exchanges[1]["detail"] == "why"


@pytest.mark.parametrize(
    ("roles", "reason"), [([2], "no hop"), ([1, 3], "no hop"), ([7, 1], "role 7")]
)
def test_the_last_exchange_must_be_a_hop_and_every_role_known(
    roles: list[result_pb2.ExchangeRole.ValueType], reason: str
) -> None:
    with pytest.raises(wire.RefusedResult, match=reason):
        rows(sound(exchanges=[result_pb2.Exchange(role=each) for each in roles]))


def test_without_redirects_the_url_is_the_monitors() -> None:
    assert row(sound(exchanges=[result_pb2.Exchange(url="http://x/")]))["url"] is None


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_refused(payload: bytes) -> None:
    with suppress(wire.RefusedResult):
        rows(wire.decode(payload))


def test_texts_are_cut_at_what_a_column_may_hold() -> None:
    message = sound(outcome=result_pb2.OUTCOME_DOWN, failure="other", detail="é" * 5000)
    assert row(message)["detail"] == "é" * wire.TEXT_MAX


def gap_row(**changes: Any) -> dict[str, Any]:
    fields = {"from_slot_at_us": NOW_US - 60_000_000, "to_slot_at_us": NOW_US, "slots": 61}
    missed = result_pb2.MissedSlots(**{**fields, "reason": "overloaded", **changes})
    message = result_pb2.Result(monitor_id=1, missed=missed)
    return named(wire.gap_row(message, ORIGIN, NOW_US), wire.GAP_COLUMNS)


def test_missed_slots_become_a_gap() -> None:
    gap = gap_row()
    assert gap["to_slot_at"] - gap["from_slot_at"] == 60_000_000
    assert (gap["slots"], gap["reason"], gap["detail"]) == (61, "overloaded", None)
    assert gap_row(reason="of_a_newer_agent")["reason"] == "of_a_newer_agent"


@pytest.mark.parametrize(
    "changes",
    [
        {"slots": 0},
        {"slots": 62},
        {"reason": ""},
        {"reason": "Not a code"},
        {"detail": "a\0b"},
        {"to_slot_at_us": NOW_US - 61_000_000},
        {"from_slot_at_us": -1},
        {"to_slot_at_us": 2**62},
    ],
)
def test_missed_slots_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(wire.RefusedResult):
        gap_row(**changes)


def test_what_came_after_a_pages_document_is_part_of_the_total() -> None:
    document = result_pb2.Exchange(phases=result_pb2.Phases(wait_us=10), total_us=10)
    resource = result_pb2.Exchange(
        role=result_pb2.EXCHANGE_ROLE_RESOURCE,
        resource="image",
        start_us=12,
        phases=result_pb2.Phases(send_us=1, wait_us=4),
        total_us=5,
        outcome=result_pb2.OUTCOME_UP,
    )
    message = sound(exchanges=[resource, document], redirect_us=2, resources_us=7, total_us=19)
    found, [other] = rows(message)
    assert (found["resources_us"], found["wait_us"], found["redirects"]) == (7, 10, 0)
    assert (other["role"], other["resource"], other["start_us"]) == ("resource", "image", 12)
    assert (other["connect_us"], other["wait_us"], other["outcome"]) == (None, 4, "up")
    with pytest.raises(wire.RefusedResult):
        rows(sound(exchanges=[resource, document], redirect_us=2, resources_us=6, total_us=19))
    assert row(sound())["resources_us"] is None
