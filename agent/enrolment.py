"""How a machine becomes an agent, and stays one: token -> key, CSR -> certificate; renewal.

The token names the authority by the hash of its public key, so the first connection needs to
trust nobody: it fetches certificates and sends no secret.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import grpc.aio
import structlog

from agent.address import parse_address
from agent.channel import explain, open_channel
from agent.errors import AgentError, FatalError, TransientError
from agent.home import Credentials, Home, Identity
from vantage.v1 import enrolment_pb2, enrolment_pb2_grpc

if TYPE_CHECKING:
    from cryptography import x509

CALL_TIMEOUT_S = 30.0
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_EXAMPLE = "SECRET.PIN@HOST:PORT, as `vantage agent token` prints it"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Token:
    """An invitation: a one-time secret, the authority's public key hash, where to call."""

    secret: str
    pin: bytes
    host: str
    port: int

    @property
    def address(self) -> str:
        """host:port of the enrolment listener."""
        return f"{self.host}:{self.port}"


def parse_token(text: str) -> Token:
    """Take a token apart; never shows the secret.

    Raises: FatalError naming the part that is wrong.
    """
    words = text.split()
    if len(words) != 1:
        raise FatalError(f"The token is {'more than one word' if words else 'empty'}: {_EXAMPLE}.")
    invitation, at, address = words[0].partition("@")
    secret, dot, pin = invitation.partition(".")
    if not at:
        raise FatalError(f"The token has no @ with a collector's address: {_EXAMPLE}.")
    if not dot:
        raise FatalError(f"The token has no . between its secret and its pin: {_EXAMPLE}.")
    if not _BASE64URL.fullmatch(secret):
        raise FatalError("The token's secret (before the dot) is not base64url. Copy it anew.")
    host, port = parse_address(address, "The token's address")
    return Token(secret, _pin(pin), host, port)


async def join(home: Home, token: Token, name: str, *, stay: str = "") -> Identity:
    """Spend the token; the home is then that agent's.

    ``stay``: the agent that the home must stay; empty: whichever the token makes it.
    Raises: AgentError; then the home is whose it was.
    """
    authority = await asyncio.to_thread(fetch_authority, token)
    key, csr = _new_key()
    home.begin_key(key)
    async with open_channel(token.address, Credentials(authority)) as channel:
        request = enrolment_pb2.EnrolRequest(secret=token.secret, csr=csr, name=name, agent_id=stay)
        try:
            answer = await enrolment_pb2_grpc.EnrolmentStub(channel).Enrol(
                request, timeout=CALL_TIMEOUT_S
            )
        except grpc.aio.AioRpcError as error:
            raise explain(error, token.address) from error
    if stay and answer.agent_id != stay:
        raise FatalError(
            f"The collector at {token.address} knows no tokens for agents that exist, and made the"
            f" new agent {answer.agent_id}. Revoke that one and update the collector."
        )
    identity = _identity(answer, enrolled_at=token.host)
    home.store_identity(identity, certificate=answer.certificate, authority=answer.authority)
    return identity


def fetch_authority(token: Token) -> bytes:
    """Return the certificate (PEM) of the authority that the token names.

    Raises: TransientError if the collector does not answer, FatalError if it is another one.
    """
    from cryptography import x509

    for pem in served_certificates(token.address):
        if _public_key_hash(x509.load_pem_x509_certificate(pem)) == token.pin:
            return pem
    raise FatalError(
        f"The collector at {token.address} is not the one this token was made by: none of its"
        " certificates has the public key that the token names. Check the address, or whether"
        " something in between intercepts TLS."
    )


async def keep_renewed(
    home: Home, collector: str, on_renewed: Callable[[], None], *, check_every_s: float = 60.0
) -> None:
    """Renew the certificate for ever, when two thirds of its life are over.

    Raises: FatalError.
    """
    while True:
        identity = home.identity()
        # In short sleeps: the wall clock may be set meanwhile.
        remaining_s = max(0.0, identity.renewal_at_s - time.time())
        await asyncio.sleep(min(remaining_s, check_every_s))
        if time.time() < identity.renewal_at_s:
            continue
        try:
            await renew(home, identity, collector)
        except TransientError as error:
            log.warning("renewal_failed", reason=str(error), retry_s=check_every_s)
            await asyncio.sleep(check_every_s)
        else:
            on_renewed()


async def renew(home: Home, identity: Identity, collector: str) -> None:
    """Get the next certificate for the same key.

    Raises: TransientError, FatalError.
    """
    credentials = home.credentials()
    csr = _request(credentials.key or b"")
    async with open_channel(collector, credentials) as channel:
        try:
            answer = await enrolment_pb2_grpc.RenewalStub(channel).Renew(
                enrolment_pb2.RenewRequest(csr=csr), timeout=CALL_TIMEOUT_S
            )
        except grpc.aio.AioRpcError as error:
            raise explain(error, collector) from error
    issued_at_s, expires_at_s = _validity(answer.certificate)
    renewed = replace(
        identity, certificate_issued_at_s=issued_at_s, certificate_expires_at_s=expires_at_s
    )
    try:
        home.store_renewal(renewed, certificate=answer.certificate, authority=answer.authority)
    except FatalError as error:  # a full disk, maybe: there is a third of a life to try again
        raise TransientError(str(error)) from error
    log.info("certificate_renewed", expires_at_s=expires_at_s)


def _pin(text: str) -> bytes:
    try:
        pin = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        pin = b""
    if len(pin) != hashlib.sha256().digest_size:
        raise FatalError(
            "The token's pin (between . and @) is not the base64url of a SHA-256:"
            f" 43 characters, not {len(text)}. Copy the token as a whole."
        )
    return pin


def served_certificates(address: str) -> list[bytes]:
    """Shake hands with whoever is there, trusting and telling nothing; return PEM certificates."""
    import pycurl

    curl = pycurl.Curl()
    try:
        curl.setopt(pycurl.URL, f"https://{address}/")
        curl.setopt(pycurl.CONNECT_ONLY, 1)
        curl.setopt(pycurl.SSL_VERIFYPEER, 0)
        curl.setopt(pycurl.SSL_VERIFYHOST, 0)
        curl.setopt(pycurl.OPT_CERTINFO, 1)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.CONNECTTIMEOUT, 10)
        curl.perform()
        chain = curl.getinfo(pycurl.INFO_CERTINFO)
    except pycurl.error as error:
        raise TransientError(
            f"Cannot reach the collector at {address}: {error.args[1]}."
            " Check the address and that its port is open from here."
        ) from error
    finally:
        curl.close()
    return [value.encode() for fields in chain for name, value in fields if name == "Cert"]


def _identity(answer: enrolment_pb2.Certificate, *, enrolled_at: str) -> Identity:
    issued_at_s, expires_at_s = _validity(answer.certificate)
    address = answer.delivery_address
    collector = enrolled_at + address if address.startswith(":") else address
    parse_address(collector, "The collector's address of delivery")
    return Identity(answer.agent_id, answer.location, collector, issued_at_s, expires_at_s)


# The cryptography package costs megabytes: imported only when joining and renewing.


def _new_key() -> tuple[bytes, bytes]:
    """Make an EC P-256 key; return it (PEM) and its CSR (DER)."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return key, _request(key)


def _request(key_pem: bytes) -> bytes:
    """Return a CSR (DER) for a key; it names nobody: the collector knows who asks."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:  # TypeError: it has a password
        raise FatalError(f"The agent's key cannot be read ({error}). Join again.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise FatalError("The agent's key is not an elliptic curve key. Join again.")
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _validity(certificate_pem: bytes) -> tuple[int, int]:
    """Return from when and until when it is valid, in seconds after the epoch."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
    except ValueError as error:
        raise AgentError(f"The collector's answer holds no certificate ({error}).") from error
    issued_at, expires_at = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return int(issued_at.timestamp()), int(expires_at.timestamp())


def _public_key_hash(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization

    public_key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(public_key).digest()
