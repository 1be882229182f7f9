"""The words for failures: what pages, mails and events say of the codes of `vantage.v1.Result`.

A cause is said in one place; docs/failures.md explains each code. None is a sentence of its own, as
sentences go on with the place: "DNS name not found from Frankfurt".
"""

from __future__ import annotations

CAUSES = {
    "address_forbidden": "Address not allowed by the agent",
    "assertion_body": "Response body not as expected",
    "assertion_certificate": "Certificate close to expiry",
    "assertion_header": "Response header not as expected",
    "assertion_http_version": "Unexpected HTTP version",
    "assertion_json": "JSON value not as expected",
    "assertion_limit": "Slower than a limit",
    "assertion_loss": "Too many pings lost",
    "assertion_network": "Address outside the expected networks",
    "assertion_size": "Response size not as expected",
    "assertion_status": "Unexpected HTTP status",
    "assertion_unsupported": "Expectation unknown to the agent",
    "assertion_url": "Redirected elsewhere than expected",
    "bad_encoding": "Response body not decodable",
    "body_too_large": "Response larger than the limit",
    "connect_failed": "TCP connect failed",
    "connect_refused": "Connection refused",
    "connect_reset": "TCP connection reset",
    "connect_timeout": "TCP connect timed out",
    "connect_unreachable": "Network unreachable",
    "dns_bad_answer": "DNS answer unusable",
    "dns_no_address": "No address for the host name",
    "dns_no_record": "No such DNS record",
    "dns_nxdomain": "DNS name not found",
    "dns_refused": "DNS server refused to answer",
    "dns_servfail": "DNS server failed",
    "dns_timeout": "DNS lookup timed out",
    "dns_unreachable": "DNS server unreachable",
    "empty_response": "Connection closed without a response",
    "greeting_refused": "Turned away by the server",
    "headers_too_large": "Response headers larger than the limit",
    "http_protocol": "Invalid HTTP response",
    "http_status": "Unexpected HTTP status",
    "other": "Failed",
    "page_too_large": "Page larger than the limit",
    "ping_forbidden": "Agent not allowed to send pings",
    "ping_timeout": "No reply to any ping",
    "protocol_error": "Answer against the protocol",
    "proxy_refused": "Refused by the proxy",
    "redirect_invalid": "Redirect to an unusable address",
    "reset_receive": "Connection reset while receiving the response",
    "reset_send": "Connection reset while sending the request",
    "reset_wait": "Connection reset before the first byte",
    "resource_failed": "A resource of the page failed",
    "slower_than_usual": "Slower than usual",
    "source_unavailable": "Agent unable to open a connection",
    "timeout_receive": "Timed out receiving the response",
    "timeout_send": "Timed out sending the request",
    "timeout_wait": "Timed out waiting for the first byte",
    "tls_cert_expired": "Expired certificate",
    "tls_cert_invalid": "Invalid certificate",
    "tls_cert_name": "Certificate for another name",
    "tls_cert_not_yet_valid": "Certificate not valid yet",
    "tls_cert_self_signed": "Self-signed certificate",
    "tls_cert_untrusted": "Untrusted certificate",
    "tls_client_certificate": "Client certificate not accepted",
    "tls_handshake": "TLS handshake failed",
    "tls_reset": "Connection reset during the TLS handshake",
    "tls_timeout": "TLS handshake timed out",
    "too_many_redirects": "Too many redirects",
    "too_slow": "Slower than the limit",
    "truncated_body": "Response ended too early",
    "url_invalid": "Unusable address",
}

# Of a response that came whole: no phase is to blame.
WHOLE = ("assertion_", "http_status", "page_too_large", "resource_failed", "too_slow")


# What is degraded by its time: over a limit, or over what is usual.
SLOWNESS = frozenset({"too_slow", "assertion_limit", "slower_than_usual"})


def degraded(failure: str | None) -> str:
    """The word for what this degrades: slow only by its time. None: nobody knows by what."""
    return "Slow" if failure is None or failure in SLOWNESS else "Degraded"


def severity(name: str, failure: str | None) -> str:
    """The word for an incident's severity, down or degraded, of this cause."""
    return "Down" if name == "down" else degraded(failure)


def is_of_whole(failure: str) -> bool:
    """Whether a code judges a response that came whole, and not where a probe broke off."""
    return failure.startswith(WHOLE)


def cause(failure: str, http_status: int | None = None) -> str:
    """Say a code; one that is newer than this stays readable."""
    if failure == "http_status" and http_status is not None:
        return f"HTTP status {http_status}"
    return CAUSES.get(failure, failure.replace("_", " ").capitalize())
