"""What a TLS handshake shows, or why one over QUIC never began; read from libcurl's trace.

With VERBOSE libcurl hands every message of a handshake to its debug callback, decrypted and as it
came: the chain is the very one that the server sent, also one that was then refused. Version and
cipher it tells in words, once both sides have agreed on them. This costs no more than CERTINFO,
which writes every field of every certificate as text and knows neither version nor cipher. It is
to be switched off again when the handshake is done, or every byte of the body comes this way too.
Of QUIC no messages are traced, so CERTINFO has to do there; and only in words it tells which system
call failed.

Source: CURLOPT_DEBUGFUNCTION(3), CURLINFO_CERTINFO(3); RFC 5246 section 7.4.2, RFC 8446 section
4.4.2 (the message Certificate).
"""

from __future__ import annotations

import errno
import hashlib
import re
import ssl
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice

import pycurl

from agent.result import Chain, Handshake
from agent.validity import expires_at_us

# More than anybody needs to reach a root; what comes after them is not kept.
CERTIFICATES_MAX = 10
# OpenSSL takes 100 KiB; honest chains have 3 to 10.
MESSAGE_BYTES_MAX = 64 * 1024

_CERTIFICATE = 11
_AGREED = b"SSL connection using TLSv"
_MISMATCH = b"SSL: no alternative certificate subject name matches"
_REFUSED = re.compile(rb"QUIC: connection to .* refused")
_SEND_FAILED = re.compile(rb"sendmsg\(\) returned -1 \(errno (\d+)\)")
_TRYING = b"  Trying "
# What they begin with, and hardly anything else.
_ABOUT_TLS, _ABOUT_QUIC = b"SSL", (b"QUIC: ", b"sendmsg()", _TRYING)
_TOLD, _SHOWN = pycurl.INFOTYPE_TEXT, pycurl.INFOTYPE_SSL_DATA_IN

# Of one certificate: name and value, such as Cert and the whole of it as PEM.
Fields = Sequence[tuple[bytes, bytes]]


class Trace:
    """The debug callback of a handle; what it saw of the last handshake.

    ``is_of_proxy``: the one to come is with a proxy, and of no interest. ``mismatch``: libcurl's
    words when the certificate is for another name, which over QUIC its error does not tell; empty:
    it told of nothing like it. ``os_errno``: of a system call that failed over QUIC, in the last
    attempt; 0: none did.
    """

    __slots__ = ("_agreed", "_message", "is_of_proxy", "mismatch", "os_errno")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._agreed = self._message = b""
        self.is_of_proxy = False
        self.mismatch = ""
        self.os_errno = 0

    def on_debug(self, kind: int, data: bytes) -> None:
        """Keep the few things that matter, of seventy; libcurl must not see it raise."""
        if kind == _SHOWN:
            if 4 < len(data) <= MESSAGE_BYTES_MAX and data[0] == _CERTIFICATE:
                self._message = data
        elif kind == _TOLD and data.startswith(_ABOUT_TLS):
            if data.startswith(_AGREED):
                if self.is_of_proxy:
                    self.forget()
                else:
                    self._agreed = data
            elif data.startswith(_MISMATCH):
                self.mismatch = data.decode("utf-8", "replace").strip()
        elif kind == _TOLD and data.startswith(_ABOUT_QUIC):
            self.os_errno = _os_errno(data)

    def handshake(self, shown: Sequence[Fields] = ()) -> Handshake | None:
        """Return what was seen; ``shown``: libcurl's CERTINFO. None: no certificate was."""
        if self.is_of_proxy:
            return None
        chain = _chain(self._message) if self._message else _made_of(tuple(_ders(shown)))
        if chain is None:
            return None
        return Handshake(*_version_and_cipher(self._agreed), chain)


def _os_errno(words: bytes) -> int:
    """Read what a system call failed with; 0 of anything else, such as another attempt's begin."""
    if _REFUSED.match(words):
        return errno.ECONNREFUSED
    failed = _SEND_FAILED.match(words)
    return int(failed[1]) if failed else 0


@lru_cache(maxsize=256)
def _version_and_cipher(words: bytes) -> tuple[str, str]:
    """Read "SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384 / ..."."""
    if not words:
        return "", ""
    version, cipher = words.removeprefix(_AGREED).decode("ascii", "replace").split(" / ")[:2]
    return version.strip(), cipher.strip()


# Targets show the same chain again and again; it is read once.
@lru_cache(maxsize=512)
def _chain(message: bytes) -> Chain | None:
    return _made_of(tuple(islice(_certificates(message), CERTIFICATES_MAX)))


def _ders(shown: Sequence[Fields]) -> Iterator[bytes]:
    for fields in shown[:CERTIFICATES_MAX]:
        for name, value in fields:
            if name == b"Cert":
                yield ssl.PEM_cert_to_DER_cert(value.decode("ascii"))


@lru_cache(maxsize=512)
def _made_of(certificates: tuple[bytes, ...]) -> Chain | None:
    if not certificates:
        return None
    digest = hashlib.sha256()
    for certificate in certificates:
        digest.update(certificate)
    return Chain(certificates, digest.digest(), expires_at_us(certificates[0]))


def _certificates(message: bytes) -> Iterator[bytes]:
    """Take a message Certificate apart: each certificate as DER, the server's own first."""
    body = memoryview(message)[4:]
    # TLS 1.3 puts a request context before the list, and extensions after each certificate.
    is_13 = _number(body[:3]) != len(body) - 3
    rest = body[1 + body[0] + 3 :] if is_13 else body[3:]
    while len(rest) > 3:
        end = 3 + _number(rest[:3])
        yield bytes(rest[3:end])
        rest = rest[end + 2 + _number(rest[end : end + 2]) :] if is_13 else rest[end:]


def _number(octets: memoryview) -> int:
    return int.from_bytes(octets, "big")
