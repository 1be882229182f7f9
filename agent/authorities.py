"""Which certificate authorities a probe trusts: the system's, and those the operator adds.

libcurl is given a file, not the bytes: only a file's parsed form is kept from one connection to
the next (curl's CURLOPT_CA_CACHE_TIMEOUT), and parsing 150 authorities costs milliseconds.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from agent.errors import FatalError, reason

# Where the distributions keep the bundle: Debian and Alpine, Fedora, its older form, SUSE, BSD.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class Authorities:
    """A bundle file for libcurl; ``close`` removes it if it had to be made."""

    def __init__(self, trust_ca: Path | None = None) -> None:
        """Find the system's bundle, and join ``trust_ca`` to it in a file of our own.

        Raises: FatalError when there is no system bundle, or ``trust_ca`` holds no certificate.
        """
        system = system_bundle()
        self._made = None if trust_ca is None else _join(system, trust_ca)
        self.path = self._made or system

    def close(self) -> None:
        if self._made is not None:
            self._made.unlink(missing_ok=True)
            self._made = None


def system_bundle() -> Path:
    """Return the file of authorities that this machine trusts.

    Raises: FatalError naming the remedy when there is none.
    """
    named = os.environ.get("SSL_CERT_FILE")
    for candidate in (named,) if named else _BUNDLES:
        path = Path(candidate)
        if path.is_file() and path.stat().st_size > 0:
            return path
    if named:
        raise FatalError(f"SSL_CERT_FILE names {named!r}, which is not a file of certificates.")
    raise FatalError(
        "This machine has no certificate authorities, so no https URL can be verified: install "
        "the package ca-certificates, or name a PEM file in SSL_CERT_FILE."
    )


def _join(system: Path, extra: Path) -> Path:
    try:
        added = extra.read_text(encoding="ascii")
        ssl.create_default_context(cadata=added)
    except (OSError, ValueError, ssl.SSLError) as error:
        is_no_pem = isinstance(error, ValueError | ssl.SSLError)
        why = "it holds no certificate that can be read" if is_no_pem else reason(error)
        raise FatalError(
            f"The authorities in {str(extra)!r} cannot be used: {why}. "
            "Name a readable PEM file of CA certificates."
        ) from error
    # It brings half a megabyte of what packs files.
    import tempfile

    with tempfile.NamedTemporaryFile(
        "w", prefix="vantage-authorities-", suffix=".pem", delete=False
    ) as joined:
        joined.write(system.read_text(encoding="utf-8", errors="replace"))
        joined.write("\n" + added)
    return Path(joined.name)
