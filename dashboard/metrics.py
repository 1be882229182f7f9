"""``/metrics``: how the account's monitors stand, for a Prometheus that has an API token.

A token of somebody who runs this installation also gets how its outbox stands. docs/api.md and
docs/metrics.md explain every metric; a test compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.api.access import count
from dashboard.outbox import MAILS
from dashboard.rows.metrics import Judged, Measured, Queued
from dashboard.session import visit
from vantage.phase import PHASES

VERDICTS = ("up", "degraded", "down", "unknown")
SPENT = (*PHASES, "resources")
# Of these something is known now; a monitor that is paused, waiting or missing has no such sample.
KNOWN = {"up": 1, "slow": 1, "down": 0}
MONITOR = ["monitor_id", "monitor", "url"]
PLACE = [*MONITOR, "location"]


class Standing:
    """What was read, as metrics; the shape that prometheus_client asks for."""

    def __init__(self, measured: Iterable[Measured], judged: Iterable[Judged]) -> None:
        self.measured, self.judged = list(measured), list(judged)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        verdict = GaugeMetricFamily(
            "vantage_monitor_verdict",
            "1 for what is agreed of a monitor over its locations, 0 for the other states.",
            labels=[*MONITOR, "state"],
        )
        known = [each for each in self.measured if each.state in KNOWN]
        heard = {each.monitor_id for each in known}
        for each in self.judged:
            # A verdict is as old as what it was made of.
            now = each.state if each.monitor_id in heard else "unknown"
            for state in VERDICTS:
                verdict.add_metric([*_monitor(each), state], now == state)
        yield verdict
        up = GaugeMetricFamily(
            "vantage_monitor_up",
            "Whether a monitor's newest result from a location is not down.",
            labels=PLACE,
        )
        total = GaugeMetricFamily(
            "vantage_monitor_total_seconds",
            "How long a monitor's newest result from a location took in all.",
            labels=PLACE,
        )
        phase = GaugeMetricFamily(
            "vantage_monitor_phase_seconds",
            "How long each phase of a monitor's newest result from a location took.",
            labels=[*PLACE, "phase"],
        )
        for row in known:
            place = [*_monitor(row), row.location]
            up.add_metric(place, KNOWN[row.state])
            if row.total_us is not None:
                total.add_metric(place, row.total_us / 1e6)
            for name in SPENT:
                if (us := getattr(row, f"{name}_us")) is not None:
                    phase.add_metric([*place, name], us / 1e6)
        yield from (up, total, phase)
        for name, words, field in (
            ("result", "When a monitor's newest result from a location was due.", "slot_at"),
            (
                "certificate_expiry",
                "When the certificate ends that a monitor's newest result from a location saw.",
                "cert_expires_at",
            ),
        ):
            instant = GaugeMetricFamily(
                f"vantage_monitor_{name}_timestamp_seconds", words, labels=PLACE
            )
            for row in self.measured:
                if (at := getattr(row, field)) is not None:
                    instant.add_metric([*_monitor(row), row.location], at.timestamp())
            yield instant


class Queue:
    """How the outbox stands, as metrics. ``queued`` None: its reader does not run this place."""

    def __init__(self, queued: Queued | None) -> None:
        self.queued = queued

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        if self.queued is None:
            return
        yield from MAILS.collect()
        yield GaugeMetricFamily(
            "vantage_dashboard_mails_waiting",
            "Mails of all accounts that are decided and not sent.",
            value=self.queued.waiting,
        )
        oldest_at = self.queued.oldest_at
        age_s = 0.0 if oldest_at is None else (datetime.now(UTC) - oldest_at).total_seconds()
        yield GaugeMetricFamily(
            "vantage_dashboard_mails_oldest_seconds",
            "Age of the oldest of them; 0: there is none.",
            value=max(0.0, age_s),
        )


def _monitor(row: Measured | Judged) -> list[str]:
    return [str(row.monitor_id), row.name, row.url]


async def show(request: Request) -> Response:
    """Answer ``/metrics``. Raises: NotSignedIn; Forbidden without the scope read; TooMany."""
    async with visit(request) as (visitor, reader):
        visitor.require("read")
        count(visitor.user_id)
        standing = Standing(
            await reader.all(Measured, "metrics"), await reader.all(Judged, "metrics_verdicts")
        )
        queue = Queue(await reader.one(Queued, "outbox"))
    registry = CollectorRegistry()
    registry.register(standing)
    registry.register(queue)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


ROUTES = [Route("/metrics", show)]
