"""What a collector counts, for Prometheus; shown over HTTP where `serve` is told to.

docs/metrics.md explains every metric; a test compares.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)

from collector.errors import CollectorError

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

BATCHES = Counter(
    "vantage_collector_batches",
    "Batches that were answered, by answer: stored, gap, fenced, revoked.",
    ["answer"],
    registry=REGISTRY,
)
RESULTS_STORED = Counter(
    "vantage_collector_results_stored", "Results that were stored.", registry=REGISTRY
)
RESULTS_QUARANTINED = Counter(
    "vantage_collector_results_quarantined",
    "Results that could not be stored as rows and were kept in vantage.quarantine.",
    registry=REGISTRY,
)
COMMIT_SECONDS = Histogram(
    "vantage_collector_commit_seconds",
    "How long one transaction took that stored batches, from its begin to its commit.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
BATCH_SECONDS = Histogram(
    "vantage_collector_batch_seconds",
    "How long batches took here, by stage: waiting for their transaction, storing, answering; all.",
    ["stage"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
WAITING, STORING, ANSWERING, ALL = map(
    BATCH_SECONDS.labels, ("waiting", "storing", "answering", "all")
)
COMMITS_FAILED = Counter(
    "vantage_collector_commits_failed",
    "Transactions that were lost with the database and tried again.",
    registry=REGISTRY,
)
STREAMS_OPEN = Gauge(
    "vantage_collector_streams_open", "Agents' streams that are open.", registry=REGISTRY
)
BATCHES_WAITING = Gauge(
    "vantage_collector_batches_waiting",
    "Batches that were received and are not committed.",
    registry=REGISTRY,
)
BYTES_WAITING = Gauge(
    "vantage_collector_bytes_waiting",
    "About how much memory results take that were received and are not committed.",
    registry=REGISTRY,
)
RESULTS_ROLLED_UP = Counter(
    "vantage_collector_results_rolled_up",
    "Results that this collector added to the rollups; one collector at a time does.",
    registry=REGISTRY,
)
ROLLUP_LAG_SECONDS = Gauge(
    "vantage_collector_rollup_lag_seconds",
    "Age of the oldest result that is not in the rollups yet, at the collector that keeps them.",
    registry=REGISTRY,
)
RESULTS_JUDGED = Counter(
    "vantage_collector_results_judged",
    "Results that this collector took into account for verdicts; one collector at a time does.",
    registry=REGISTRY,
)
JUDGE_SECONDS = Histogram(
    "vantage_collector_judge_seconds",
    "How long one look at what has arrived took, from reading it to writing what it changes.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
INCIDENT_EVENTS = Counter(
    "vantage_collector_incident_events",
    "What happened to incidents, by kind: opened, closed, ...",
    ["kind"],
    registry=REGISTRY,
)
NOTIFICATIONS_DECIDED = Counter(
    "vantage_collector_notifications_decided",
    "Notifications that this notifier decided on and put into the queue.",
    registry=REGISTRY,
)
MESSAGES = Counter(
    "vantage_collector_messages",
    "Messages that this notifier tried to hand over, by the channel's kind and outcome.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
MESSAGES_RETRIED = Counter(
    "vantage_collector_messages_retried",
    "Messages among them that had been tried before.",
    registry=REGISTRY,
)
NOTIFICATIONS_WAITING = Gauge(
    "vantage_collector_notifications_waiting",
    "Notifications that are due and not sent, at the collector that keeps the rollups.",
    registry=REGISTRY,
)
NOTIFICATIONS_OLDEST_SECONDS = Gauge(
    "vantage_collector_notifications_oldest_seconds",
    "For how long the oldest of them has been due; 0: there is none.",
    registry=REGISTRY,
)
NOTIFIER_AWAY_SECONDS = Gauge(
    "vantage_collector_notifier_away_seconds",
    "For how long no notifier has looked what is to be told; 0: one does, or there is no channel.",
    registry=REGISTRY,
)
CERTIFICATES = Counter(
    "vantage_collector_certificates",
    "Requests of agents for a certificate, by outcome: enrolled, renewed, refused.",
    ["outcome"],
    registry=REGISTRY,
)

for answer in ("stored", "gap", "fenced", "revoked"):
    BATCHES.labels(answer)
for kind in ("mail", "webhook", "service"):
    for outcome in ("sent", "failed"):
        MESSAGES.labels(kind, outcome)
for outcome in ("enrolled", "renewed", "refused"):
    CERTIFICATES.labels(outcome)


def serve(address: str) -> Callable[[], None]:
    """Show the metrics at ``[HOST]:PORT``, path /metrics; return what ends that.

    Raises: CollectorError when the address cannot be had.
    """
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]") or "127.0.0.1", REGISTRY)
    except OSError as error:
        raise CollectorError(
            f"Cannot show metrics on {address}: {error.strerror or error}. "
            "Name another address with --metrics-listen."
        ) from error

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
