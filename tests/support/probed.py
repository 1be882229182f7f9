"""A monitor to be probed, and what is true of every result of one exchange."""

from __future__ import annotations

from dataclasses import astuple

from agent.phases import last_phase
from agent.result import Assertion, Exchange, Monitor, Outcome, Request, Result

PLAIN = Request()


def monitor(
    url: str, *assertions: Assertion, request: Request = PLAIN, timeout_us: int = 2_000_000
) -> Monitor:
    return Monitor(7, url, timeout_us=timeout_us, request=request, assertions=assertions)


def check(result: Result) -> Exchange:
    """Check what is true of every result; return the exchange it is about."""
    (exchange,) = result.exchanges
    assert sum(us or 0 for us in astuple(exchange.phases)) == exchange.total_us == result.total_us
    assert (result.failure is None) == (result.outcome is Outcome.UP)
    return exchange


def phases_of(exchange: Exchange) -> list[str]:
    names = ("dns", "connect", "tls", "send", "wait", "receive")
    return [name for name in names if getattr(exchange.phases, f"{name}_us") is not None]


def assert_failed(result: Result, code: str, phase: str) -> None:
    exchange = check(result)
    assert result.failure is not None, result
    assert (result.failure.code, last_phase(exchange.phases)) == (code, phase), result
    assert result.outcome is Outcome.DOWN
    assert result.failure.detail


def patience_us(code: str | None) -> int:
    """Long enough for a busy machine, unless it is the time limit that ends the probe."""
    return 1_200_000 if code and code.startswith("timeout") else 5_000_000
