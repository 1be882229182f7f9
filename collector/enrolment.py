"""Machines become agents, and stay agents: the RPC methods that issue certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn
from uuid import UUID, uuid4

import grpc
import psycopg
import structlog
from psycopg_pool import PoolTimeout

from collector import db, metrics
from collector.authority import Authority, BadRequest
from collector.peer import Peer
from collector.tokens import secret_hash
from vantage.v1 import enrolment_pb2, enrolment_pb2_grpc

log = structlog.get_logger()

NAME_MAX = 200


@dataclass(frozen=True, slots=True)
class Issuer:
    """What both services need: who signs, where agents are kept, where they shall deliver."""

    authority: Authority
    pool: db.Pool
    delivery_address: str

    def answer(
        self, certificate: bytes, agent_id: UUID, location: str
    ) -> enrolment_pb2.Certificate:
        return enrolment_pb2.Certificate(
            certificate=certificate,
            authority=self.authority.pem,
            agent_id=str(agent_id),
            location=location,
            delivery_address=self.delivery_address,
        )


class Enrolment(enrolment_pb2_grpc.EnrolmentServicer):
    """Spends tokens. Served without client certificates, on a listener of its own."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer

    async def Enrol(
        self,
        request: enrolment_pb2.EnrolRequest,
        context: grpc.aio.ServicerContext[enrolment_pb2.EnrolRequest, enrolment_pb2.Certificate],
    ) -> enrolment_pb2.Certificate:
        agent_id = uuid4()
        statements = db.queries("enrolment")
        try:
            certificate, expires_at = self.issuer.authority.issue_agent(request.csr, agent_id)
            async with self.issuer.pool.connection(5) as connection, connection.transaction():
                cursor = await connection.execute(
                    statements["spend_token"], {"secret_hash": secret_hash(request.secret)}
                )
                token = await cursor.fetchone()
                if token is not None:
                    await connection.execute(
                        statements["enrol_agent"],
                        {
                            "agent_id": agent_id,
                            "location": token["location"],
                            "name": request.name.replace("\0", "")[:NAME_MAX] or "unnamed",
                            "expires_at": expires_at,
                        },
                    )
        except BadRequest as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except (psycopg.OperationalError, PoolTimeout):
            await database_away(context)
        if token is None:
            metrics.CERTIFICATES.labels("refused").inc()
            log.warning("enrolment_refused", peer=context.peer())
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED,
                "The token is unknown, spent or expired. Make a new one with: vantage agent token",
            )
        metrics.CERTIFICATES.labels("enrolled").inc()
        log.info("agent_enrolled", agent_id=str(agent_id), location=token["location"])
        return self.issuer.answer(certificate, agent_id, token["location"])


class Renewal(enrolment_pb2_grpc.RenewalServicer):
    """Gives an enrolled agent its next certificate. Served with client certificates."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer

    async def Renew(
        self,
        request: enrolment_pb2.RenewRequest,
        context: grpc.aio.ServicerContext[enrolment_pb2.RenewRequest, enrolment_pb2.Certificate],
    ) -> enrolment_pb2.Certificate:
        peer = await Peer.of(context)
        try:
            certificate, expires_at = self.issuer.authority.issue_agent(request.csr, peer.agent_id)
            async with self.issuer.pool.connection(5) as connection:
                cursor = await connection.execute(
                    db.queries("enrolment")["renew_agent"],
                    {"agent_id": peer.agent_id, "expires_at": expires_at},
                )
                agent = await cursor.fetchone()
        except BadRequest as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except (psycopg.OperationalError, PoolTimeout):
            await database_away(context)
        if agent is None:
            metrics.CERTIFICATES.labels("refused").inc()
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED, "This agent is unknown or was revoked."
            )
        metrics.CERTIFICATES.labels("renewed").inc()
        log.info("certificate_renewed", agent_id=str(peer.agent_id))
        return self.issuer.answer(certificate, peer.agent_id, agent["location"])


async def database_away(context: grpc.aio.ServicerContext) -> NoReturn:  # type: ignore[type-arg]
    """End a call so that the agent tries again."""
    await context.abort(grpc.StatusCode.UNAVAILABLE, "The database does not answer. Try again.")
