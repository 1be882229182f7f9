"""What the benches of telling share: how they say how long something took."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import click

S = 1_000_000
INTERVAL_S = 60
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def percentiles(seconds: Sequence[float]) -> dict[str, float | None]:
    if len(seconds) < 2:
        return {"p50_s": None, "p99_s": None, "max_s": None}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50_s": round(cuts[49], 2), "p99_s": round(cuts[98], 2), "max_s": max(seconds)}
