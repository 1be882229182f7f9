"""The closed list of failure codes, and what each of libcurl's errors is called. Pure.

docs/failures.md explains every code; a test holds the two against each other.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus

import pycurl

from agent.result import Failure


class Code(StrEnum):
    """Why a result is not up. Codes are stored: never rename one, never give it a new meaning."""

    URL_INVALID = "url_invalid"
    DNS_NXDOMAIN = "dns_nxdomain"
    DNS_NO_ADDRESS = "dns_no_address"
    DNS_SERVFAIL = "dns_servfail"
    DNS_REFUSED = "dns_refused"
    DNS_TIMEOUT = "dns_timeout"
    DNS_UNREACHABLE = "dns_unreachable"
    DNS_BAD_ANSWER = "dns_bad_answer"
    DNS_NO_RECORD = "dns_no_record"
    ADDRESS_FORBIDDEN = "address_forbidden"
    SOURCE_UNAVAILABLE = "source_unavailable"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_UNREACHABLE = "connect_unreachable"
    CONNECT_RESET = "connect_reset"
    CONNECT_FAILED = "connect_failed"
    PROXY_REFUSED = "proxy_refused"
    TLS_TIMEOUT = "tls_timeout"
    TLS_RESET = "tls_reset"
    TLS_HANDSHAKE = "tls_handshake"
    TLS_CERT_EXPIRED = "tls_cert_expired"
    TLS_CERT_NOT_YET_VALID = "tls_cert_not_yet_valid"
    TLS_CERT_NAME = "tls_cert_name"
    TLS_CERT_SELF_SIGNED = "tls_cert_self_signed"
    TLS_CERT_UNTRUSTED = "tls_cert_untrusted"
    TLS_CERT_INVALID = "tls_cert_invalid"
    TLS_CLIENT_CERTIFICATE = "tls_client_certificate"
    TIMEOUT_SEND = "timeout_send"
    TIMEOUT_WAIT = "timeout_wait"
    TIMEOUT_RECEIVE = "timeout_receive"
    RESET_SEND = "reset_send"
    RESET_WAIT = "reset_wait"
    RESET_RECEIVE = "reset_receive"
    EMPTY_RESPONSE = "empty_response"
    PROTOCOL_ERROR = "protocol_error"
    GREETING_REFUSED = "greeting_refused"
    PING_TIMEOUT = "ping_timeout"
    PING_FORBIDDEN = "ping_forbidden"
    HTTP_PROTOCOL = "http_protocol"
    HEADERS_TOO_LARGE = "headers_too_large"
    BODY_TOO_LARGE = "body_too_large"
    TRUNCATED_BODY = "truncated_body"
    BAD_ENCODING = "bad_encoding"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    REDIRECT_INVALID = "redirect_invalid"
    HTTP_STATUS = "http_status"
    ASSERTION_STATUS = "assertion_status"
    ASSERTION_HEADER = "assertion_header"
    ASSERTION_BODY = "assertion_body"
    ASSERTION_JSON = "assertion_json"
    ASSERTION_SIZE = "assertion_size"
    ASSERTION_CERTIFICATE = "assertion_certificate"
    ASSERTION_LIMIT = "assertion_limit"
    ASSERTION_URL = "assertion_url"
    ASSERTION_NETWORK = "assertion_network"
    ASSERTION_HTTP_VERSION = "assertion_http_version"
    ASSERTION_LOSS = "assertion_loss"
    ASSERTION_UNSUPPORTED = "assertion_unsupported"
    TOO_SLOW = "too_slow"
    RESOURCE_FAILED = "resource_failed"
    PAGE_TOO_LARGE = "page_too_large"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CurlError:
    """How a transfer failed, as libcurl tells it.

    ``os_errno``: 0: no system call is to blame. ``verify_result``: OpenSSL's X509_V_ERR_*; 0: the
    chain is good, or was never seen.
    """

    number: int
    message: str
    os_errno: int = 0
    verify_result: int = 0


_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
_RESET = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED}

_TIMEOUTS = {
    "connect": Code.CONNECT_TIMEOUT,
    "tls": Code.TLS_TIMEOUT,
    "send": Code.TIMEOUT_SEND,
    "wait": Code.TIMEOUT_WAIT,
    "receive": Code.TIMEOUT_RECEIVE,
}
_RESETS = {
    "connect": Code.CONNECT_RESET,
    "tls": Code.TLS_RESET,
    "send": Code.RESET_SEND,
    "wait": Code.RESET_WAIT,
    "receive": Code.RESET_RECEIVE,
}
_CONNECT_ERRNOS = {
    errno.ECONNREFUSED: Code.CONNECT_REFUSED,
    errno.ETIMEDOUT: Code.CONNECT_TIMEOUT,
    **dict.fromkeys(_UNREACHABLE, Code.CONNECT_UNREACHABLE),
    **dict.fromkeys(_RESET, Code.CONNECT_RESET),
    errno.EADDRNOTAVAIL: Code.SOURCE_UNAVAILABLE,
}

# OpenSSL's x509_vfy.h, fixed for ever.
_VERIFY_RESULTS = {
    9: Code.TLS_CERT_NOT_YET_VALID,
    10: Code.TLS_CERT_EXPIRED,
    18: Code.TLS_CERT_SELF_SIGNED,
    2: Code.TLS_CERT_UNTRUSTED,
    19: Code.TLS_CERT_UNTRUSTED,
    20: Code.TLS_CERT_UNTRUSTED,
    21: Code.TLS_CERT_UNTRUSTED,
    27: Code.TLS_CERT_UNTRUSTED,
    62: Code.TLS_CERT_NAME,
    64: Code.TLS_CERT_NAME,
}

# pycurl does not name these; the numbers are libcurl's ABI.
_WEIRD_SERVER_REPLY = 8
_TOO_LARGE = 100
_HTTP2_STREAM = 92
_HTTP3 = 95
_QUIC_CONNECT = 96
_PROXY = 97
_SSL_CLIENT_CERTIFICATE = 98

# What a server's TLS says of ours, or of there being none; with TLS 1.3 only after the handshake.
_CLIENT_CERTIFICATE_ALERT = re.compile(
    r"alert (certificate required|bad certificate|unknown ca|unsupported certificate"
    r"|certificate (revoked|expired|unknown))"
)

# Errors that mean the same in whichever phase they strike.
_NUMBERS = {
    pycurl.E_UNSUPPORTED_PROTOCOL: Code.HTTP_PROTOCOL,  # HTTP/0.9, too
    pycurl.E_URL_MALFORMAT: Code.URL_INVALID,
    pycurl.E_COULDNT_RESOLVE_HOST: Code.DNS_NO_ADDRESS,
    pycurl.E_COULDNT_RESOLVE_PROXY: Code.DNS_NO_ADDRESS,
    _WEIRD_SERVER_REPLY: Code.HTTP_PROTOCOL,
    pycurl.E_HTTP2: Code.HTTP_PROTOCOL,
    _HTTP2_STREAM: Code.HTTP_PROTOCOL,
    _HTTP3: Code.HTTP_PROTOCOL,
    _QUIC_CONNECT: Code.CONNECT_FAILED,
    pycurl.E_PARTIAL_FILE: Code.TRUNCATED_BODY,
    pycurl.E_GOT_NOTHING: Code.EMPTY_RESPONSE,
    pycurl.E_FILESIZE_EXCEEDED: Code.BODY_TOO_LARGE,
    pycurl.E_BAD_CONTENT_ENCODING: Code.BAD_ENCODING,
    pycurl.E_INTERFACE_FAILED: Code.SOURCE_UNAVAILABLE,
    pycurl.E_SSL_CERTPROBLEM: Code.TLS_CLIENT_CERTIFICATE,
    _SSL_CLIENT_CERTIFICATE: Code.TLS_CLIENT_CERTIFICATE,
    pycurl.E_SSL_CRL_BADFILE: Code.TLS_CERT_INVALID,
    pycurl.E_SSL_ISSUER_ERROR: Code.TLS_CERT_INVALID,
    _PROXY: Code.PROXY_REFUSED,
    pycurl.E_SSL_CIPHER: Code.TLS_HANDSHAKE,
    _TOO_LARGE: Code.HEADERS_TOO_LARGE,
}


def curl_failure(error: CurlError, phase: str) -> Failure:
    """Name what libcurl reports, given the phase the exchange had reached."""
    # Of a page's resource that could not be connected, the marks tell another phase than connect.
    is_of_system = phase == "connect" or error.number in (
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_RECV_ERROR,
        pycurl.E_SEND_ERROR,
    )
    if not is_of_system or error.number == pycurl.E_OPERATION_TIMEDOUT:
        # It was an attempt at another address that a system call is to blame for.
        error = replace(error, os_errno=0)
    code = _code(error, phase)
    detail = error.message
    if error.os_errno and os.strerror(error.os_errno) not in detail:
        detail = f"{detail} ({os.strerror(error.os_errno)})"
    if code is Code.OTHER:
        detail = f"libcurl error {error.number}: {detail}"
    return Failure(code, detail)


def _code(error: CurlError, phase: str) -> Code:
    number = error.number
    if number == pycurl.E_OPERATION_TIMEDOUT:
        return _TIMEOUTS.get(phase, Code.OTHER)
    if "CONNECT tunnel failed" in error.message:
        return Code.PROXY_REFUSED
    if _CLIENT_CERTIFICATE_ALERT.search(error.message):
        return Code.TLS_CLIENT_CERTIFICATE
    if number == pycurl.E_COULDNT_CONNECT:
        return _CONNECT_ERRNOS.get(error.os_errno, Code.CONNECT_FAILED)
    if number == pycurl.E_PEER_FAILED_VERIFICATION:
        return _certificate(error)
    if "response headers" in error.message.lower() and "large" in error.message.lower():
        return Code.HEADERS_TOO_LARGE
    if number in _NUMBERS:
        return _NUMBERS[number]
    if number == pycurl.E_SSL_CONNECT_ERROR or (number == pycurl.E_RECV_ERROR and phase == "tls"):
        return Code.TLS_RESET if _is_cut_off(error) else Code.TLS_HANDSHAKE
    if number in (pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR) and phase == "connect":
        return _CONNECT_ERRNOS.get(error.os_errno, Code.CONNECT_FAILED)  # QUIC
    if number in (pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR):
        # What was received may also have made no sense: then no system call is to blame.
        return _RESETS.get(phase, Code.OTHER) if _is_cut_off(error) else Code.HTTP_PROTOCOL
    return Code.OTHER


def _certificate(error: CurlError) -> Code:
    # libcurl compares the name itself, after OpenSSL found the chain good.
    if "subject name" in error.message:
        return Code.TLS_CERT_NAME
    return _VERIFY_RESULTS.get(error.verify_result, Code.TLS_CERT_INVALID)


def _is_cut_off(error: CurlError) -> bool:
    """Whether the peer broke the connection; libcurl words it in several ways."""
    words = ("SSL_ERROR_SYSCALL", "SSL_ERROR_ZERO_RETURN", "reset by peer", "unexpected eof")
    return error.os_errno in _RESET or any(each in error.message for each in words)


def os_failure(error: OSError) -> Failure:
    """Name what the kernel reports about an address that datagrams are sent to."""
    code = _CONNECT_ERRNOS.get(error.errno or 0, Code.CONNECT_FAILED)
    return Failure(code, error.strerror or str(error))


def status_failure(status: int) -> Failure:
    """Word an HTTP status that is not a success: HTTP 503 Service Unavailable."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return Failure(Code.HTTP_STATUS, f"HTTP {status} {phrase}".rstrip())
