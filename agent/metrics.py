"""What an agent counts, for Prometheus; shown over HTTP where `run` is told to.

docs/metrics.md explains every metric; a test compares. Imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from agent.delivery import Delivery
from agent.errors import FatalError
from agent.home import Home
from agent.missed import Reason
from agent.result import Outcome, Result
from agent.runner import Runner
from agent.spool import Spool


class Metrics:
    """Counts results as they come; looks at everything else when it is asked.

    ``runner``: the one that probes; None: not yet.
    """

    def __init__(
        self,
        home: Home,
        spool: Spool,
        delivery: Delivery,
        runner: Callable[[], Runner | None],
    ) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._home = home
        self._spool = spool
        self._delivery = delivery
        self._runner = runner
        self._probes = Counter(
            "vantage_agent_probes",
            "Probes that came to a result, by outcome: up, degraded, down.",
            ["outcome"],
            registry=self.registry,
        )
        self._suspects = Counter(
            "vantage_agent_probes_suspect",
            "Results that the agent's own load may have spoilt.",
            registry=self.registry,
        )
        self._delay = Histogram(
            "vantage_agent_delay_seconds",
            "How late probes began against their slots.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 10),
            registry=self.registry,
        )
        self._lag = Histogram(
            "vantage_agent_loop_lag_seconds",
            "The longest time that the probing loop was blocked, during each probe.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1),
            registry=self.registry,
        )
        for outcome in Outcome:
            self._probes.labels(outcome.value)
        self.registry.register(self)

    def count(self, result: Result) -> None:
        """Note a result. Call from any thread."""
        self._probes.labels(result.outcome.value).inc()
        self._delay.observe(result.delay_us / 1e6)
        self._lag.observe(result.lag_us / 1e6)
        if result.suspect:
            self._suspects.inc()

    def collect(self) -> Iterator[Metric]:
        """Look at what the agent's parts know of themselves."""
        runner = self._runner()
        missed = CounterMetricFamily(
            "vantage_agent_slots_missed",
            "Slots that were due and not run, by reason.",
            labels=["reason"],
        )
        for reason in Reason:
            missed.add_metric([reason.value], runner.missed[reason] if runner else 0)
        yield missed
        in_flight = runner.in_flight if runner else 0
        yield _gauge("probes_in_flight", "Probes that are running.", in_flight)
        yield _gauge("spool_bytes", "What the spool occupies on disk.", self._spool.size_bytes)
        yield _gauge("spool_results", "Results not yet acknowledged.", self._spool.backlog)
        connected = self._delivery.is_welcomed
        yield _gauge("connected", "1: a collector takes the results; 0: none does.", connected)
        expires_at_s = self._home.identity().certificate_expires_at_s
        yield _gauge("certificate_expires_seconds", "End of its certificate.", expires_at_s)
        if (reading := self._delivery.clock_reading) is not None:
            told = "How far the clock is ahead of the collector's; negative: behind."
            yield _gauge("clock_offset_seconds", told, reading.offset_us / 1e6)
            told = "How far vantage_agent_clock_offset_seconds may be wrong."
            yield _gauge("clock_uncertainty_seconds", told, reading.uncertainty_us / 1e6)

    def serve(self, address: str) -> Callable[[], None]:
        """Show the metrics at ``[HOST]:PORT``, path /metrics; return what ends that.

        Raises: FatalError when the address cannot be had.
        """
        host, _, port = address.rpartition(":")
        try:
            server, thread = start_http_server(
                int(port), host.strip("[]") or "127.0.0.1", self.registry
            )
        except OSError as error:
            raise FatalError(
                f"Cannot show metrics on {address}: {error.strerror or error}."
                " Name another address with --metrics-listen."
            ) from error

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop


def _gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"vantage_agent_{name}", told, value=float(value))
