"""A real gRPC server over mutual TLS that stands where a collector would, and misbehaves to order.

It keeps what it was sent by the rules of delivery.proto: nothing twice, no hole.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import uuid
import zlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.home import Home, Identity
from tests.support.certificates import signing_request
from vantage.v1 import (
    delivery_pb2,
    delivery_pb2_grpc,
    enrolment_pb2,
    enrolment_pb2_grpc,
    monitor_pb2,
)
from vantage.v1.delivery_pb2 import CollectorMessage

PEM = serialization.Encoding.PEM
SECRET = "one-time-secret"
LIFE = timedelta(days=7)
LOST = b"\0lost"
BEYOND = 1_000_000


class LeftOut(bytes):
    """A result that was passed over: it is stored under another incarnation."""


class Issuer:
    """An installation's authority."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        certificate = self._sign(
            self.name, self.key.public_key(), timedelta(0), LIFE * 9, (constraints, True)
        )
        self.pem = certificate.public_bytes(PEM)

    @property
    def pin(self) -> str:
        key = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.urlsafe_b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")

    def agent(self, csr: bytes, agent_id: str, age: timedelta = timedelta(0)) -> bytes:
        """Issue to whoever made the CSR; ``age``: how long ago."""
        request = x509.load_der_x509_csr(csr)
        assert request.is_signature_valid
        uri = x509.UniformResourceIdentifier(f"spiffe://vantage/agent/{agent_id}")
        name = x509.SubjectAlternativeName([uri])
        public_key: Any = request.public_key()
        certificate = self._sign(x509.Name([]), public_key, age, LIFE, (name, True))
        return certificate.public_bytes(PEM)

    def collector(self) -> tuple[bytes, bytes]:
        """Issue a collector's key and chain."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.SubjectAlternativeName([x509.DNSName("collector.vantage.internal")])
        certificate = self._sign(x509.Name([]), key.public_key(), timedelta(0), LIFE, (name, True))
        encoded = key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return encoded, certificate.public_bytes(PEM) + self.pem

    def _sign(
        self,
        subject: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        age: timedelta,
        life: timedelta,
        extension: tuple[x509.ExtensionType, bool],
    ) -> x509.Certificate:
        began = datetime.now(UTC) - age
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(began + life)
            .add_extension(*extension)
            .sign(self.key, hashes.SHA256())
        )


@dataclass
class Orders:
    """How to misbehave; each count goes down as it is obeyed."""

    cuts: int = 0
    cuts_after_storing: int = 0
    gaps: int = 0
    fences: int = 0
    silent_streams: int = 0
    acks_beyond: int = 0  # of what was never sent
    stale_acks: int = 0  # about the former incarnation, before the Welcome of the next
    foreign_welcomes: int = 0  # of an incarnation that was not announced
    refusal: tuple[grpc.StatusCode, str] | None = None
    is_old: bool = False  # of the version before Skip and checksums
    answers_after: asyncio.Event | None = None


@dataclass
class DeliveryServer:
    """Listens on two ports; what it stored survives ``stop`` and ``start``."""

    issuer: Issuer = field(default_factory=Issuer)
    orders: Orders = field(default_factory=Orders)
    assignments: monitor_pb2.Assignments = field(default_factory=monitor_pb2.Assignments)
    stored: dict[bytes, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    told: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    """The most that an agent was truly told to be stored, by incarnation."""
    skips: list[delivery_pb2.Skip] = field(default_factory=list)
    events: list[delivery_pb2.Event] = field(default_factory=list)
    acked: list[int] = field(default_factory=list)
    closed: list[bytes] = field(default_factory=list)
    hellos: list[bytes] = field(default_factory=list)
    heartbeats: list[delivery_pb2.Heartbeat] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    certificates: set[bytes] = field(default_factory=set)
    names: list[str] = field(default_factory=list)
    bound_to: str = ""
    delivery_port: int = 0
    enrolment_port: int = 0

    async def __aenter__(self) -> DeliveryServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.delivery_port}"

    @property
    def token(self) -> str:
        return f"{SECRET}.{self.issuer.pin}@127.0.0.1:{self.enrolment_port}"

    @property
    def results(self) -> list[bytes]:
        every = [each for payloads in self.stored.values() for each in payloads]
        return [each for each in every if each != LOST and not isinstance(each, LeftOut)]

    def welcome(self, incarnation: bytes) -> delivery_pb2.Welcome:
        stored = self.stored[incarnation]
        welcome = delivery_pb2.Welcome(incarnation=incarnation, high_water=len(stored))
        if not self.orders.is_old:
            welcome.takes_skips = welcome.knows_stored = True
            if stored and stored[-1] != LOST:
                welcome.payload_crc32 = zlib.crc32(stored[-1])
        return welcome

    async def start(self) -> None:
        options = [("grpc.so_reuseport", 0)]
        pair = self.issuer.collector()
        self._delivery = grpc.aio.server(options=options)
        delivery_pb2_grpc.add_DeliveryServicer_to_server(Deliver(self), self._delivery)
        enrolment_pb2_grpc.add_RenewalServicer_to_server(Renewal(self), self._delivery)
        self.delivery_port = self._delivery.add_secure_port(
            f"127.0.0.1:{self.delivery_port}",
            grpc.ssl_server_credentials([pair], self.issuer.pem, True),
        )
        self._enrolment = grpc.aio.server(options=options)
        enrolment_pb2_grpc.add_EnrolmentServicer_to_server(Enrolment(self), self._enrolment)
        self.enrolment_port = self._enrolment.add_secure_port(
            f"127.0.0.1:{self.enrolment_port}", grpc.ssl_server_credentials([pair])
        )
        await asyncio.gather(self._delivery.start(), self._enrolment.start())

    async def stop(self) -> None:
        await asyncio.gather(self._delivery.stop(None), self._enrolment.stop(None))

    def enrol(self, home: Home, age: timedelta = timedelta(0)) -> Identity:
        """Make ``home`` an agent's without the network; ``age`` of its certificate."""
        key, csr = signing_request()
        home.begin_key(key)
        agent_id = str(uuid.uuid4())
        issued_at_s = int((datetime.now(UTC) - age).timestamp())
        expires_at_s = issued_at_s + int(LIFE.total_seconds())
        identity = Identity(agent_id, "test", self.address, issued_at_s, expires_at_s)
        certificate = self.issuer.agent(csr, agent_id, age)
        home.store_identity(identity, certificate=certificate, authority=self.issuer.pem)
        return identity


class Deliver(delivery_pb2_grpc.DeliveryServicer):
    def __init__(self, server: DeliveryServer) -> None:
        self.server = server

    async def Deliver(
        self, requests: AsyncIterator[delivery_pb2.AgentMessage], context: Any
    ) -> AsyncIterator[CollectorMessage]:
        server, orders = self.server, self.server.orders
        server.counts["streams"] += 1
        server.certificates.add(context.auth_context()["x509_pem_cert"][0])
        if orders.refusal:
            await context.abort(*orders.refusal)
        is_silent = orders.silent_streams > 0
        orders.silent_streams -= is_silent
        incarnation = b""
        async for message in requests:
            match message.WhichOneof("message"):
                case "hello":
                    if orders.stale_acks > 0 and incarnation:
                        orders.stale_acks -= 1
                        yield ack(len(server.stored[incarnation]))
                    incarnation = message.hello.incarnation
                    server.hellos.append(incarnation)
                    server.acked.append(message.hello.acked)
                    server.counts["believed lies"] += message.hello.acked > server.told[incarnation]
                    yield CollectorMessage(welcome=self.welcome(incarnation))
                    yield CollectorMessage(assignments=server.assignments)
                case "batch":
                    server.counts["batches"] += 1
                    if not is_silent:
                        yield await self.answer(incarnation, message.batch, context)
                case "skip":
                    skip = message.skip
                    server.skips.append(skip)
                    lost = delivery_pb2.Batch(
                        first_seq=skip.from_seq, results=[LOST] * (skip.to_seq - skip.from_seq + 1)
                    )
                    yield await self.answer(incarnation, lost, context)
                case "event":
                    server.events.append(message.event)
                case "heartbeat":
                    server.heartbeats.append(message.heartbeat)
                case "close":
                    server.closed.append(message.close.incarnation)

    def welcome(self, incarnation: bytes) -> delivery_pb2.Welcome:
        welcome = self.server.welcome(incarnation)
        self.tell(incarnation)
        if self.server.orders.foreign_welcomes > 0:
            self.server.orders.foreign_welcomes -= 1
            welcome.incarnation = bytes(16)
            welcome.high_water += 1
            welcome.ClearField("payload_crc32")
        return welcome

    async def answer(
        self, incarnation: bytes, batch: delivery_pb2.Batch, context: Any
    ) -> CollectorMessage:
        orders, stored = self.server.orders, self.server.stored[incarnation]
        self.tell(incarnation)
        for order in ("cuts", "gaps", "fences"):
            if getattr(orders, order) > 0:
                setattr(orders, order, getattr(orders, order) - 1)
                if order == "cuts":
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "cut before storing")
                if order == "fences":
                    return CollectorMessage(fenced=delivery_pb2.Fenced())
                return CollectorMessage(gap=delivery_pb2.Gap(high_water=len(stored)))
        if batch.first_seq > len(stored) + 1:
            self.server.counts["gaps"] += 1
            return CollectorMessage(gap=delivery_pb2.Gap(high_water=len(stored)))
        known = len(stored) + 1 - batch.first_seq
        for seq, payload in enumerate(batch.results[:known], batch.first_seq):
            assert stored[seq - 1] == payload, "another payload under the same number"
        self.server.counts["resent"] += min(known, len(batch.results))
        held = set(self.server.results) if batch.may_be_stored else set()
        stored += [LeftOut(each) if each in held else each for each in batch.results[known:]]
        if orders.answers_after is not None:
            await orders.answers_after.wait()
        if orders.cuts_after_storing > 0:
            orders.cuts_after_storing -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "cut after storing")
        if orders.acks_beyond > 0:
            orders.acks_beyond -= 1
            return ack(len(stored) + BEYOND)
        self.tell(incarnation)
        return ack(len(stored))

    def tell(self, incarnation: bytes) -> None:
        told, stored = self.server.told, len(self.server.stored[incarnation])
        told[incarnation] = max(told[incarnation], stored)


def ack(high_water: int) -> CollectorMessage:
    return CollectorMessage(ack=delivery_pb2.Ack(high_water=high_water))


class Enrolment(enrolment_pb2_grpc.EnrolmentServicer):
    def __init__(self, server: DeliveryServer) -> None:
        self.server = server
        self.is_spent = False

    async def Enrol(self, request: enrolment_pb2.EnrolRequest, context: Any) -> Any:
        if request.secret != SECRET or self.is_spent:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "The token is unknown or spent.")
        if request.agent_id and request.agent_id != self.server.bound_to:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, "The machine is an agent already: --replace"
            )
        self.is_spent = True
        self.server.names.append(request.name)
        agent_id = self.server.bound_to or str(uuid.uuid4())
        return enrolment_pb2.Certificate(
            certificate=self.server.issuer.agent(request.csr, agent_id),
            authority=self.server.issuer.pem,
            agent_id=agent_id,
            location="test",
            delivery_address=f":{self.server.delivery_port}",
        )


class Renewal(enrolment_pb2_grpc.RenewalServicer):
    def __init__(self, server: DeliveryServer) -> None:
        self.server = server

    async def Renew(self, request: enrolment_pb2.RenewRequest, context: Any) -> Any:
        self.server.counts["renewals"] += 1
        pem = context.auth_context()["x509_pem_cert"][0]
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        uri = names.value.get_values_for_type(x509.UniformResourceIdentifier)[0]
        return enrolment_pb2.Certificate(
            certificate=self.server.issuer.agent(request.csr, uri.rpartition("/")[2]),
            authority=self.server.issuer.pem,
        )
