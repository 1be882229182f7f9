"""Probe once, and hold the result to what every result keeps."""

from __future__ import annotations

from dataclasses import astuple, replace
from ipaddress import ip_network

from agent.phases import last_phase
from agent.probe import Prober
from agent.result import Monitor, Outcome, Result

LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]


async def probe(prober: Prober, url: str, **terms: object) -> Result:
    """``terms``: fields of the monitor."""
    result = await prober.probe(replace(Monitor(7, url, timeout_us=5_000_000), **terms))  # type: ignore[arg-type]
    for exchange in result.exchanges:
        assert sum(us or 0 for us in astuple(exchange.phases)) == exchange.total_us
    assert result.redirect_us + result.exchanges[-1].total_us == result.total_us
    assert (result.failure is None) == (result.outcome is Outcome.UP)
    return result


def failed(result: Result) -> tuple[str, str]:
    """Return the code, and the phase that failed."""
    assert result.failure is not None, result
    return result.failure.code, last_phase(result.exchanges[-1].phases)
