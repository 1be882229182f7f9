"""On which terms a monitor's request is made: its way, its families, its patience, its trust. Pure.

The columns of vantage.monitors of the same names; what is secret about them is in
collector.secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from collector.errors import CollectorError
from collector.request import Request
from collector.secret import Secrets
from vantage.phase import PHASES
from vantage.request import PROXY_SCHEMES
from vantage.scheme import has_use
from vantage.url import is_address

PEM_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything is optional. ``phase_timeouts``: by phase, microseconds."""

    client_certificate: str | None = None
    authority: str | None = None
    proxy: str | None = None
    connect_to: str | None = None
    name_server: str | None = None
    phase_timeouts: Mapping[str, int] = field(default_factory=dict)


def check_terms(
    terms: Terms, secrets: Secrets, url: str, request: Request, *, timeout_us: int
) -> None:
    """Raise CollectorError, saying why, for terms that no agent could keep."""
    parts = urlsplit(url)
    check_useful(terms, secrets, parts.scheme)
    if terms.proxy is not None and request.http_version == "3":
        raise CollectorError("HTTP/3 goes through no proxy; leave out --proxy or --http-version.")
    literal = is_address(parts.hostname or "")
    is_paired = request.is_paired
    if literal and (is_paired or terms.connect_to or terms.name_server):
        raise CollectorError(
            f"{url!r} names an address: there is nothing to look up, and one family."
        )
    if terms.connect_to is not None:
        if not is_address(terms.connect_to):
            raise CollectorError(
                f"{terms.connect_to!r} is no address to connect to; write it like 192.0.2.7 or "
                "2001:db8::7."
            )
        if is_paired or terms.proxy or terms.name_server:
            raise CollectorError(
                "--connect-to settles what is connected to: no proxy, no name server, one family."
            )
    if terms.proxy is not None:
        check_proxy(terms.proxy)
    if secrets.proxy is not None and terms.proxy is None:
        raise CollectorError("There is a password for a proxy and no --proxy.")
    check_certificates(terms, secrets)
    for phase, limit_us in terms.phase_timeouts.items():
        if phase not in PHASES:
            raise CollectorError(f"{phase!r} is no phase; one of {', '.join(PHASES)}.")
        if not 1_000 <= limit_us <= 60_000_000:
            raise CollectorError(f"The timeout of {phase} is {limit_us} us: 1 ms to 60 s can be.")
        if limit_us > timeout_us:
            raise CollectorError(
                f"The timeout of {phase}, {limit_us / 1_000_000:g} s, is longer than the whole may"
                f" take: {timeout_us / 1_000_000:g} s."
            )


def check_useful(terms: Terms, secrets: Secrets, scheme: str) -> None:
    """Check that the URL's scheme has a use for all that is given."""
    given = {
        "secret_headers": ("an authorization or secret header", secrets.headers),
        "client_certificate": ("a client certificate", terms.client_certificate),
        "client_key": ("the key of a client certificate", secrets.client_key),
        "authority": ("an authority to trust", terms.authority),
        "proxy": ("a proxy", terms.proxy or secrets.proxy),
        "phase_timeouts": ("the timeout of a phase", terms.phase_timeouts),
    }
    for name, (words, value) in given.items():
        if value and not has_use(scheme, name):
            raise CollectorError(f"{scheme} has no use for {words}; leave it out.")


def check_proxy(proxy: str) -> None:
    """Check a proxy's URL."""
    match = re.fullmatch(r"([a-z0-9]+)://([^/?#@\s]+):([0-9]{1,5})", proxy)
    if match is None or match[1] not in PROXY_SCHEMES or not 0 < int(match[3]) < 65536:
        raise CollectorError(
            f"The proxy {proxy!r} must be written scheme://host:port, the scheme one of "
            f"{', '.join(PROXY_SCHEMES)}; its password goes into --proxy-auth-file."
        )


def check_certificates(terms: Terms, secrets: Secrets) -> None:
    """Check what is PEM; of a key, that it is the certificate's own."""
    if (terms.client_certificate is None) != (secrets.client_key is None):
        raise CollectorError("--client-cert and --client-key go together; give both.")
    if terms.authority is not None:
        certificate_of(terms.authority, "--ca-file")
    if terms.client_certificate is None or secrets.client_key is None:
        return
    certificate = certificate_of(terms.client_certificate, "--client-cert")
    try:
        key = serialization.load_pem_private_key(secrets.client_key.encode(), password=None)
    except TypeError as error:
        raise CollectorError(
            "--client-key holds a key with a password. Take it off first: openssl pkey -in KEY"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CollectorError("--client-key holds no private key in PEM.") from error
    if key.public_key() != certificate.public_key():
        raise CollectorError("--client-key is not the key of --client-cert.")


def certificate_of(pem: str, option: str) -> x509.Certificate:
    """Return the first certificate. Raises: CollectorError naming ``option``."""
    if len(pem) > PEM_MAX:
        raise CollectorError(f"{option} has {len(pem)} characters; the limit is {PEM_MAX}.")
    try:
        return x509.load_pem_x509_certificates(pem.encode())[0]
    except ValueError as error:
        raise CollectorError(f"{option} holds no PEM certificate.") from error


def name_server_of(text: str) -> str:
    """Return address:port as agents read it. Raises: CollectorError."""
    match = re.fullmatch(r"(?:\[(.+)\]|([^:]+)):([0-9]{1,5})", text)
    host, port = (match[1] or match[2], int(match[3])) if match else (text, 53)
    if not is_address(host) or not 0 < port < 65536:
        raise CollectorError(
            f"The name server {text!r} is no address; write 192.0.2.53 or [2001:db8::53]:53."
        )
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
