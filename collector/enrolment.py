"""Machines become agents, and stay agents: the RPC methods that issue certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, Protocol
from uuid import UUID, uuid4

import grpc
import psycopg
import structlog
from psycopg_pool import PoolTimeout

from collector import db, metrics
from collector.authorities import Authorities
from collector.authority import BadRequest
from collector.peer import Peer
from collector.tokens import secret_hash
from vantage.v1 import enrolment_pb2, enrolment_pb2_grpc

log = structlog.get_logger()

NAME_MAX = 200


class Refusal(Exception):
    """A machine does not become an agent, and nothing is changed; says why."""

    def __init__(self, code: grpc.StatusCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class HasAuthorities(Protocol):
    """Knows the authorities as they are at this moment."""

    authorities: Authorities


@dataclass(frozen=True, slots=True)
class Issuer:
    """What both services need: who signs, where agents are kept, where they shall deliver."""

    identity: HasAuthorities
    pool: db.Pool
    delivery_address: str

    def answer(
        self, certificate: bytes, agent_id: UUID, location: str
    ) -> enrolment_pb2.Certificate:
        return enrolment_pb2.Certificate(
            certificate=certificate,
            authority=self.identity.authorities.pem,
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
        statements = db.queries("enrolment")
        try:
            async with self.issuer.pool.connection(5) as connection, connection.transaction():
                cursor = await connection.execute(
                    statements["spend_token"], {"secret_hash": secret_hash(request.secret)}
                )
                token = await cursor.fetchone()
                if token is None:
                    raise Refusal(
                        grpc.StatusCode.UNAUTHENTICATED,
                        "The token is unknown, spent or expired. Make a new one with: "
                        "vantage agent token",
                    )
                agent_id = chosen(token["agent_id"], request.agent_id)
                certificate, expires_at = self.issuer.identity.authorities.issue_agent(
                    request.csr, agent_id
                )
                agent = {"agent_id": agent_id, "expires_at": expires_at}
                if token["agent_id"] is None:
                    name = request.name.replace("\0", "")[:NAME_MAX] or "unnamed"
                    agent |= {"location": token["location"], "name": name}
                    await connection.execute(statements["enrol_agent"], agent)
                else:
                    cursor = await connection.execute(statements["renew_agent"], agent)
                    if await cursor.fetchone() is None:
                        raise Refusal(grpc.StatusCode.PERMISSION_DENIED, "This agent was revoked.")
        except BadRequest as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Refusal as refusal:
            metrics.CERTIFICATES.labels("refused").inc()
            log.warning("enrolment_refused", peer=context.peer(), code=refusal.code.name)
            await context.abort(refusal.code, str(refusal))
        except (psycopg.OperationalError, PoolTimeout):
            await try_again(context, "The database does not answer. Try again.")
        except db.UNDEFINED as error:
            await try_again(context, db.unsuitable(error))
        metrics.CERTIFICATES.labels("enrolled").inc()
        log.info(
            "agent_enrolled",
            agent_id=str(agent_id),
            location=token["location"],
            is_new=token["agent_id"] is None,
        )
        return self.issuer.answer(certificate, agent_id, token["location"])


def chosen(bound: UUID | None, wanted: str) -> UUID:
    """Return which agent a machine becomes: the one its token is bound to, or a new one.

    ``wanted``: the agent it wants to stay, or empty. Raises: Refusal if it cannot.
    """
    if wanted and wanted != str(bound):
        is_for = f"agent {bound}" if bound else "a new agent"
        raise Refusal(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"This token is for {is_for}, but the machine is an agent already. To keep it: "
            "vantage agent token --agent with the agent's id. To become the other: "
            "vantage-agent join --replace",
        )
    return bound or uuid4()


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
            certificate, expires_at = self.issuer.identity.authorities.issue_agent(
                request.csr, peer.agent_id
            )
            async with self.issuer.pool.connection(5) as connection:
                cursor = await connection.execute(
                    db.queries("enrolment")["renew_agent"],
                    {"agent_id": peer.agent_id, "expires_at": expires_at},
                )
                agent = await cursor.fetchone()
        except BadRequest as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except (psycopg.OperationalError, PoolTimeout):
            await try_again(context, "The database does not answer. Try again.")
        except db.UNDEFINED as error:
            await try_again(context, db.unsuitable(error))
        if agent is None:
            metrics.CERTIFICATES.labels("refused").inc()
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED, "This agent is unknown or was revoked."
            )
        metrics.CERTIFICATES.labels("renewed").inc()
        log.info("certificate_renewed", agent_id=str(peer.agent_id))
        return self.issuer.answer(certificate, peer.agent_id, agent["location"])


async def try_again(
    context: grpc.aio.ServicerContext,  # type: ignore[type-arg]
    sentence: str,
) -> NoReturn:
    """End a call so that the agent tries again."""
    await context.abort(grpc.StatusCode.UNAVAILABLE, sentence)
