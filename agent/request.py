"""What is asked: which requests can be made, how libcurl is told, what a redirect makes of one.

Source: RFC 9110 (redirects), RFC 7617 and 6750 (authorization);
curl_easy_setopt(3).
"""

from __future__ import annotations

import os
import re
import weakref
from base64 import b64encode
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pycurl

from agent.result import Proxy, Request
from vantage.request import BODY_BYTES_MAX, HTTP_VERSIONS, METHODS, PROXY_SCHEMES, check_header
from vantage.url import Target, target_of

# pycurl does not name it; the number is libcurl's ABI.
_SUPPRESS_CONNECT_HEADERS = 265

# What the PEM of a list of revoked certificates begins with.
_REVOCATIONS = b"-----BEGIN X509 CRL-----"
_WITH_BODY = ("POST", "PUT", "PATCH")
_VERSIONS = {
    "": pycurl.CURL_HTTP_VERSION_2TLS,
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    # Without TLS it is spoken at once, with TLS nothing else is offered.
    "2": pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE,
    "3": pycurl.CURL_HTTP_VERSION_3ONLY,
}


def check_request(request: Request) -> None:
    """Raise ValueError, saying why, for a request that cannot be made."""
    if request.method not in METHODS:
        raise ValueError(f"The method {request.method!r} is none of {', '.join(METHODS)}.")
    if request.http_version not in ("", *HTTP_VERSIONS):
        raise ValueError(f"The HTTP version {request.http_version!r} is none of 1.1, 2 and 3.")
    if request.body and request.method == "HEAD":
        raise ValueError("A HEAD request has no body; use another method.")
    if len(request.body) > BODY_BYTES_MAX:
        raise ValueError(f"The body has {len(request.body)} bytes; the limit is {BODY_BYTES_MAX}.")
    for name, value in (*request.headers, *request.secret_headers):
        check_header(name, value)
    if bool(request.client_certificate) != bool(request.client_key):
        raise ValueError("A client certificate and its key go together; give both.")
    if request.proxy is not None:
        proxy_target(request.proxy.url)


def apply(curl: Any, request: Request) -> bool:
    """Set every option that a request can change, whatever the handle was used for before.

    Return whether the handle may serve for others: not once it knows a key or a proxy.
    """
    curl.setopt(pycurl.CUSTOMREQUEST, None)
    curl.setopt(pycurl.HTTPGET, 1)
    if request.method == "HEAD":
        curl.setopt(pycurl.NOBODY, 1)
    elif request.body or request.method in _WITH_BODY:
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.POSTFIELDS, request.body)
    if request.method not in ("GET", "HEAD", "POST") or (request.body and request.method == "GET"):
        curl.setopt(pycurl.CUSTOMREQUEST, request.method)
    # An empty list would leave the former one in place.
    curl.setopt(pycurl.HTTPHEADER, _lines(request) or None)
    curl.setopt(pycurl.HTTP_VERSION, _VERSIONS[request.http_version])
    curl.setopt(pycurl.SSL_VERIFYPEER, 0 if request.is_insecure else 1)
    curl.setopt(pycurl.SSL_VERIFYHOST, 0 if request.is_insecure else 2)
    # What a handshake over QUIC shows cannot be had otherwise; see agent.handshake.
    curl.setopt(pycurl.OPT_CERTINFO, request.http_version == "3")
    curl.setopt(pycurl.ACCEPT_ENCODING, None if request.is_uncompressed else "")
    if not (request.client_key or request.authority or request.proxy):
        return True
    if request.client_key:
        curl.setopt(pycurl.SSLCERT_BLOB, request.client_certificate)
        curl.setopt(pycurl.SSLKEY_BLOB, request.client_key)
    if request.authority:
        curl.setopt(pycurl.CAINFO_BLOB, request.authority)
        if _REVOCATIONS in request.authority:
            _apply_revocations(curl, request.authority)
    if request.proxy:
        _apply_proxy(curl, request.proxy)
    return False


def _apply_revocations(curl: Any, authority: bytes) -> None:
    """Hold every certificate of a chain against its issuer's list of those that are revoked."""
    # libcurl takes them from a file only; this one is nowhere but in memory.
    descriptor = os.memfd_create("revocations")
    weakref.finalize(curl, os.close, descriptor)
    os.write(descriptor, authority)
    curl.setopt(pycurl.CRLFILE, f"/proc/self/fd/{descriptor}")


def _apply_proxy(curl: Any, proxy: Proxy) -> None:
    curl.setopt(pycurl.PROXY, proxy.url)
    curl.setopt(pycurl.PROXYUSERNAME, proxy.username or None)
    curl.setopt(pycurl.PROXYPASSWORD, proxy.password or None)
    # What the proxy says about the tunnel is no part of the response.
    curl.setopt(_SUPPRESS_CONNECT_HEADERS, 1)


def _lines(request: Request) -> list[bytes]:
    return [_line(*each) for each in (*request.headers, *request.secret_headers)]


def _line(name: str, value: str) -> bytes:
    # "Name:" would make libcurl drop a header of its own; "Name;" sends one without a value.
    return f"{name}: {value}".encode() if value.strip() else f"{name};".encode()


def basic_authorization(username: str, password: str) -> tuple[str, str]:
    """Return the header that RFC 7617 asks for."""
    return "Authorization", "Basic " + b64encode(f"{username}:{password}".encode()).decode()


@lru_cache(maxsize=256)
def proxy_target(url: str) -> Target:
    """Take a proxy's URL apart.

    Raises: ValueError saying what makes it unusable.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in PROXY_SCHEMES or not re.fullmatch(r"[^/?#@]+:[0-9]+", rest):
        raise ValueError(
            f"The proxy {url!r} must be written scheme://host:port, the scheme one of"
            f" {', '.join(PROXY_SCHEMES)}; its password goes elsewhere."
        )
    return target_of(f"http://{rest}/")


def redirected(request: Request, status: int | None, origin: Target, to: Target) -> Request:
    """Return what is asked of where a redirect leads, as browsers do.

    Headers that the monitor adds may be secrets: another origin never gets them, nor is the client
    certificate shown to it.

    Raises: ValueError for a body that would be sent to another origin.
    """
    becomes_get = (status in (301, 302) and request.method == "POST") or (
        status == 303 and request.method not in ("GET", "HEAD")
    )
    if becomes_get:
        kept = [each for each in request.headers if not each[0].lower().startswith("content-")]
        request = replace(request, method="GET", body=b"", headers=tuple(kept))
    if (origin.is_tls, origin.host, origin.port) == (to.is_tls, to.host, to.port):
        return request
    if request.body:
        raise ValueError(
            f"It would send the body of the {request.method} to another origin, {to.url}"
        )
    return replace(request, headers=(), secret_headers=(), client_certificate=b"", client_key=b"")
