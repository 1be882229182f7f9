"""Monitors to be probed, and what is true of every result."""

from __future__ import annotations

from dataclasses import astuple, replace
from ipaddress import ip_network

from agent.phases import last_phase
from agent.probe import Prober
from agent.result import Assertion, Exchange, Monitor, Outcome, Request, Result

LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
PLAIN = Request()


def monitor(
    url: str, *assertions: Assertion, request: Request = PLAIN, timeout_us: int = 2_000_000
) -> Monitor:
    return Monitor(7, url, timeout_us=timeout_us, request=request, assertions=assertions)


async def probe(prober: Prober, url: str, **terms: object) -> Result:
    """Probe once, and hold the result to what all keep. ``terms``: fields of the monitor."""
    result = await prober.probe(replace(monitor(url, timeout_us=5_000_000), **terms))  # type: ignore[arg-type]
    hold(result)
    return result


def hold(result: Result) -> None:
    """Hold a result to what all keep."""
    for exchange in result.exchanges:
        assert sum(us or 0 for us in astuple(exchange.phases)) == exchange.total_us
    assert result.redirect_us + result.exchanges[-1].total_us == result.total_us
    assert (result.failure is None) == (result.outcome is Outcome.UP)


def check(result: Result) -> Exchange:
    """Hold a result of one exchange to what all keep; return that exchange."""
    hold(result)
    (exchange,) = result.exchanges
    return exchange


def phases_of(exchange: Exchange) -> list[str]:
    names = ("dns", "connect", "tls", "send", "wait", "receive")
    return [name for name in names if getattr(exchange.phases, f"{name}_us") is not None]


def failed(result: Result) -> tuple[str, str]:
    """Return the code, and the phase that failed."""
    assert result.failure is not None, result
    return result.failure.code, last_phase(result.exchanges[-1].phases)


def assert_failed(result: Result, code: str, phase: str) -> None:
    check(result)
    assert failed(result) == (code, phase), result
    assert result.outcome is Outcome.DOWN
    assert result.failure is not None
    assert result.failure.detail


def patience_us(code: str | None) -> int:
    """Long enough for a busy machine, unless it is the time limit that ends the probe."""
    return 1_200_000 if code and code.startswith("timeout") else 5_000_000
