"""What is asked: which requests can be made, how libcurl is told, what a redirect makes of one.

Source: RFC 9110 (methods, redirects), RFC 9112 (framing); curl_easy_setopt(3).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pycurl

from agent.result import Request
from agent.url import Target

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HTTP_VERSIONS = ("1.1", "2")
# Below libcurl's threshold for "Expect: 100-continue", which would make two waits of one.
MAX_BODY_BYTES = 64 * 1024

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
# They frame the message, and that is libcurl's to do.
_FRAMING = {"connection", "content-length", "transfer-encoding", "expect", "upgrade", "te"}
_WITH_BODY = ("POST", "PUT", "PATCH")
_VERSIONS = {
    "": pycurl.CURL_HTTP_VERSION_2TLS,
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    # Without TLS it is spoken at once, with TLS nothing else is offered.
    "2": pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE,
}


def check_request(request: Request) -> None:
    """Raise ValueError, saying why, for a request that cannot be made."""
    if request.method not in METHODS:
        raise ValueError(f"The method {request.method!r} is none of {', '.join(METHODS)}.")
    if request.http_version not in ("", *HTTP_VERSIONS):
        raise ValueError(f"The HTTP version {request.http_version!r} is neither 1.1 nor 2.")
    if request.body and request.method == "HEAD":
        raise ValueError("A HEAD request has no body; use another method.")
    if len(request.body) > MAX_BODY_BYTES:
        raise ValueError(f"The body has {len(request.body)} bytes; the limit is {MAX_BODY_BYTES}.")
    for name, value in request.headers:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no header name; write 'Name: value'.")
        if name.lower() in _FRAMING:
            raise ValueError(f"The header {name} cannot be set; it follows from the request.")
        if _UNSENDABLE.search(value):
            raise ValueError(f"The value of the header {name} holds what cannot be sent.")


def apply(curl: Any, request: Request) -> None:
    """Set every option that a request can change, whatever the handle was used for before."""
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
    curl.setopt(pycurl.HTTPHEADER, [_line(*each) for each in request.headers] or None)
    curl.setopt(pycurl.HTTP_VERSION, _VERSIONS[request.http_version])
    curl.setopt(pycurl.SSL_VERIFYPEER, 0 if request.is_insecure else 1)
    curl.setopt(pycurl.SSL_VERIFYHOST, 0 if request.is_insecure else 2)
    curl.setopt(pycurl.ACCEPT_ENCODING, None if request.is_uncompressed else "")


def _line(name: str, value: str) -> bytes:
    # "Name:" would make libcurl drop a header of its own; "Name;" sends one without a value.
    return f"{name}: {value}".encode() if value.strip() else f"{name};".encode()


def redirected(request: Request, status: int | None, origin: Target, to: Target) -> Request:
    """Return what is asked of where a redirect leads, as browsers do.

    Headers that the monitor adds may be secrets: another origin never gets them.

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
    return replace(request, headers=())
