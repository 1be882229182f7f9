"""The way to a server and what is trusted there, as a monitor's form shows it.

What may be is decided by the database, but for certificates and keys, which it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from dashboard.asking import lines
from dashboard.errors import Unacceptable
from dashboard.forms import Form

PEM_MAX = 64 * 1024
TEXTS = ("client_certificate", "authority", "proxy", "connect_to", "name_server")
NAMES = (*TEXTS, "phase_timeouts")
# Of a monitor that nobody has said anything about.
NONE: Mapping[str, Any] = {**dict.fromkeys(TEXTS), "phase_timeouts": {}}

_TIMEOUT = re.compile(r"([a-z]+)\s*=\s*(\d{1,6}(?:\.\d{1,3})?)\s*(ms|s)")
_UNITS_US = {"ms": 1_000, "s": 1_000_000}


def terms_of(form: Form) -> dict[str, Any] | None:
    """The terms that a form describes. None: it has none of these fields.

    Raises: Unacceptable.
    """
    if "proxy" not in form.fields:
        return None
    texts = {name: form[name].replace("\r\n", "\n").replace("\0", "").strip() for name in TEXTS}
    return {
        **{name: text or None for name, text in texts.items()},
        "phase_timeouts": dict(map(_timeout, lines(form, "phase_timeouts"))),
    }


def _timeout(line: str) -> tuple[str, int]:
    match = _TIMEOUT.fullmatch(line)
    if match is None:
        raise Unacceptable(f"“{line[:80]}”: write connect=500ms, or wait=2s.")
    return match[1], round(float(match[2]) * _UNITS_US[match[3]])


def fields(terms: Mapping[str, Any]) -> dict[str, str]:
    """Terms as they would be typed in."""
    limits = "\n".join(f"{phase}={us / 1_000:g}ms" for phase, us in terms["phase_timeouts"].items())
    return {**{name: terms[name] or "" for name in TEXTS}, "phase_timeouts": limits}


def check_certificates(terms: Mapping[str, Any], client_key: str | None) -> None:
    """Raise Unacceptable for what no agent could use; ``client_key`` None: none is given anew."""
    if terms["authority"]:
        _certificate(terms["authority"], "The authorities to trust hold no certificate in PEM")
    certificate = None
    if terms["client_certificate"]:
        certificate = _certificate(
            terms["client_certificate"], "The client certificate is no certificate in PEM"
        )
    if client_key is None:
        return
    public_key = _public_key(client_key)
    if certificate is None:
        raise Unacceptable("The client key has no client certificate. Give both.")
    if public_key != _of(certificate):
        raise Unacceptable("The client key is not the key of the client certificate.")


def _certificate(pem: str, otherwise: str) -> x509.Certificate:
    if len(pem) > PEM_MAX:
        raise Unacceptable(f"{otherwise}: it is longer than 64 KiB.")
    try:
        return x509.load_pem_x509_certificates(pem.encode())[0]
    except ValueError as error:
        raise Unacceptable(f"{otherwise}: -----BEGIN CERTIFICATE-----, and so on.") from error


def _of(certificate: x509.Certificate) -> Any:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unacceptable("The client certificate's key is of a kind nobody knows.") from error


def _public_key(pem: str) -> Any:
    """The public half of a key; no message repeats any of it."""
    if len(pem) > PEM_MAX:
        raise Unacceptable("The client key is longer than 64 KiB.")
    try:
        return serialization.load_pem_private_key(pem.encode(), password=None).public_key()
    except TypeError as error:
        raise Unacceptable(
            "The client key has a password. Take it off first: openssl pkey -in me.key"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unacceptable(
            "The client key is no private key in PEM: -----BEGIN PRIVATE KEY-----, and so on."
        ) from error
