"""Who calls: read from the client certificate, never from a message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import grpc
from cryptography import x509

from collector.authority import AGENT_URI


@dataclass(frozen=True, slots=True)
class Peer:
    """An agent as its certificate names it, and until when that holds."""

    agent_id: UUID
    expires_at: datetime

    @classmethod
    async def of(cls, context: grpc.aio.ServicerContext[Any, Any]) -> Peer:
        """Read the caller's certificate; ends the call when it names no agent."""
        auth = {key: next(iter(values), b"") for key, values in context.auth_context().items()}
        try:
            uri = auth["peer_spiffe_id"].decode()
            certificate = x509.load_pem_x509_certificate(auth["x509_pem_cert"])
            agent_id = UUID(uri.removeprefix(AGENT_URI))
        except (KeyError, ValueError):
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, "The client certificate names no agent."
            )
        return cls(agent_id, certificate.not_valid_after_utc)

    @property
    def is_expired(self) -> bool:
        """TLS checks this at the handshake only; a stream may outlive its certificate."""
        return datetime.now(UTC) >= self.expires_at
