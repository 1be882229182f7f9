"""The collector process: its two listeners, its tasks, its end."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import psycopg
import structlog
from psycopg.errors import UndefinedTable

from collector import db, metrics
from collector.assignments import Assignments, Probed
from collector.authorities import Authorities, open_or_create
from collector.clock import Clock
from collector.enrolment import Enrolment, Issuer, Renewal
from collector.errors import CollectorError, FatalError, TransientError
from collector.health import Health
from collector.heartbeats import Heartbeats
from collector.ingest import Committer
from collector.keyring import Keyring
from collector.secret import make_settable
from collector.service import Delivery
from collector.upkeep import Upkeep
from collector.verdicts.evaluator import Evaluator
from vantage.v1 import clock_pb2_grpc, delivery_pb2_grpc, enrolment_pb2_grpc

log = structlog.get_logger()

ROTATE_EVERY = timedelta(days=1)
# How long batches may take to be committed and answered once the collector is told to stop.
DRAIN_S = 5.0
GRACE_S = 2.0
LOOK_EVERY_S = 2.0
# Hardly anything here refers to itself, and looking for what does took as long as making rows.
GARBAGE_EVERY = 50_000
# A batch has at most 512 KiB, or one result that has as much.
MESSAGE_MAX_BYTES = 1024 * 1024
OPTIONS = [
    ("grpc.so_reuseport", 0),  # a second collector on the port must fail, not share it
    ("grpc.max_receive_message_length", MESSAGE_MAX_BYTES),
    # What may be under way to each stream beside the message that is being read; gRPC's own
    # estimate grows without a bound that could be told.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 64 * 1024),
    # A peer that is gone without a word is noticed after half a minute.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``vantage-collector serve`` was told. Addresses are host:port.

    ``clock_bound_s``: an agent whose clock is off by more is flagged. ``health_listen``,
    ``metrics_listen``: None: nowhere.
    """

    database: str
    authority: Path
    listen: str
    enrolment_listen: str
    advertise: str
    secret_key_file: Path
    clock_bound_s: float = 1.0
    health_listen: str | None = None
    metrics_listen: str | None = None


class Identity:
    """The collector's own certificate, made anew every day and when an authority comes or goes."""

    def __init__(self, authorities: Authorities) -> None:
        self.authorities = authorities
        self.renew()

    def renew(self) -> None:
        self.signing = self.authorities.signing
        self.trusted = self.authorities.pem
        self.issued_at = datetime.now(UTC)
        self.configuration = grpc.ssl_server_certificate_configuration(
            [self.signing.issue_collector()], root_certificates=self.trusted
        )

    def look(self) -> bool:
        """Renew what has to be; tell whether the authorities have changed."""
        is_changed = False
        if self.authorities.look() != self.authorities.seen:
            self.authorities = Authorities(self.authorities.directory)
            is_changed = True
        if (
            datetime.now(UTC) - self.issued_at >= ROTATE_EVERY
            or self.signing != self.authorities.signing
            or self.trusted != self.authorities.pem
        ):
            self.renew()
        return is_changed

    def credentials(self, *, require_client: bool) -> grpc.ServerCredentials:
        """Return what one listener shows; gRPC asks for what is new before every handshake."""
        shown = self.configuration

        def newer() -> grpc.ServerCertificateConfiguration | None:
            nonlocal shown
            if shown is self.configuration:
                return None  # the one it has is still good
            shown = self.configuration
            return shown

        return grpc.dynamic_ssl_server_credentials(
            shown,
            newer,  # type: ignore[arg-type] # None is documented: keep what there is
            require_client_authentication=require_client,
        )

    async def keep_current(self, database: str) -> None:
        """Follow the directory's files and the calendar for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                if self.look():
                    await introduce(database, self.authorities)
                    log.info("authorities_changed", authorities=len(self.authorities.all))
            except (CollectorError, OSError) as error:  # half written, or no database
                log.warning("authorities_unusable", error=str(error))


async def serve(settings: Settings, ready: Callable[[], None] = lambda: None) -> None:
    """Serve agents until SIGTERM or SIGINT; calls ``ready`` when both listeners are open.

    Raises: CollectorError for an address that cannot be listened on or a database that is not
    there at the start.
    """
    gc.freeze()  # what was imported stays
    gc.set_threshold(GARBAGE_EVERY)
    identity = Identity(open_or_create(settings.authority))
    await introduce(settings.database, identity.authorities)
    stopping = told_to_stop()
    pool = db.pool(settings.database)
    async with AsyncExitStack() as stack:
        if settings.metrics_listen is not None:
            stop_metrics = await asyncio.to_thread(metrics.serve, settings.metrics_listen)
            stack.push_async_callback(asyncio.to_thread, stop_metrics)
        await stack.enter_async_context(pool)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        committer = Committer(settings.database, Probed(settings.database))
        keyring = Keyring(settings.secret_key_file)
        await asyncio.to_thread(open_secrets, settings.database, keyring)
        assignments = Assignments(settings.database, keyring)
        heartbeats = Heartbeats(pool)
        health = Health(assignments)
        background = [
            tasks.create_task(committer.run(), name="committer"),
            tasks.create_task(assignments.run(), name="assignments"),
            tasks.create_task(heartbeats.run(), name="heartbeats"),
            tasks.create_task(health.watch(), name="health"),
            tasks.create_task(identity.keep_current(settings.database), name="identity"),
            tasks.create_task(Upkeep(settings.database).run(), name="upkeep"),
            tasks.create_task(Evaluator(settings.database).run(), name="evaluator"),
        ]
        if settings.health_listen is not None:
            stack.push_async_callback(health.server.stop, None)
            await health.start(settings.health_listen)
        receiving = Delivery(
            pool, committer, assignments, heartbeats, clock_bound_s=settings.clock_bound_s
        )
        delivery, enrolment = listeners(settings, identity, pool, receiving)
        await asyncio.gather(delivery.start(), enrolment.start())
        log.info("collector_started", listen=settings.listen, enrolment=settings.enrolment_listen)
        ready()
        try:
            await stopping.wait()
            log.info("collector_stopping")
        finally:
            # Also when a background task failed: a process whose gRPC servers outlive their loop
            # never ends, and keeps its ports.
            grace_s = DRAIN_S if stopping.is_set() else GRACE_S
            await health.drain()
            receiving.drain()
            await asyncio.gather(delivery.stop(grace_s), enrolment.stop(grace_s))
        for task in background:
            task.cancel()
    log.info("collector_stopped")


def told_to_stop() -> asyncio.Event:
    """Return what is set at SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def listeners(
    settings: Settings, identity: Identity, pool: db.Pool, receiving: Delivery
) -> tuple[grpc.aio.Server, grpc.aio.Server]:
    """Open that of agents, which show their certificates, and that of those which are to get one.

    Raises: CollectorError when an address cannot be had.
    """
    issuing = Issuer(identity, pool, settings.advertise)
    delivery = grpc.aio.server(options=OPTIONS)
    delivery_pb2_grpc.add_DeliveryServicer_to_server(receiving, delivery)
    enrolment_pb2_grpc.add_RenewalServicer_to_server(Renewal(issuing), delivery)
    enrolment = grpc.aio.server(options=OPTIONS)
    enrolment_pb2_grpc.add_EnrolmentServicer_to_server(Enrolment(issuing), enrolment)
    for server in (delivery, enrolment):
        clock_pb2_grpc.add_ClockServicer_to_server(Clock(), server)
    listen(delivery, settings.listen, identity.credentials(require_client=True))
    listen(enrolment, settings.enrolment_listen, identity.credentials(require_client=False))
    return delivery, enrolment


async def introduce(database: str, authorities: Authorities) -> None:
    """Make the authorities known to the database, where tokens find the pin of the one that signs.

    Raises: TransientError, FatalError.
    """
    try:
        async with await db.connect(database) as connection:
            for each in authorities.all:
                await connection.execute(
                    db.queries("enrolment")["remember_authority"],
                    {
                        "public_key_sha256": each.public_key_sha256,
                        "certificate": each.pem.decode(),
                        "signs_from": authorities.signs_from(each),
                    },
                )
    except UndefinedTable as error:
        raise FatalError(db.NO_SCHEMA) from error
    except psycopg.OperationalError as error:
        raise TransientError(f"The database does not answer: {db.first_line(error)}") from error


def open_secrets(database: str, keyring: Keyring) -> None:
    """Have secrets ready to be set; whatever is wrong with them, other monitors do not wait for."""
    if not keyring.exists:
        log.info("secrets_off", effect="no secret can be set", remedy="vantage secrets new-key")
    try:
        with db.session(database) as connection:
            make_settable(connection, keyring)
    except CollectorError as error:
        log.error("secrets_unusable", reason=str(error))


def listen(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials) -> None:
    """Open a listener. Raises: CollectorError when the address cannot be had."""
    try:
        server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise CollectorError(
            f"Cannot listen on {address}: the port is in use or the address is not this "
            "machine's. Name another with --listen or --enrolment-listen."
        ) from error
