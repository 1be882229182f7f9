"""One exchange by libcurl: a connection of its own, one request, one response, its marks.

The engine is pycurl's ``AsyncCurlMulti`` on the running loop (libcurl's multi-socket interface;
no select(), no threads). Easy handles are pooled; connections, names and TLS sessions never are: a
monitor measures what a new visitor sees.

A callback must not raise: libcurl would report error 23 and the exception only reach stderr.

When ``rtt_us`` is read: libcurl calls nothing of ours between a connection's completion and the end
of its TLS handshake, so our duplicate of each socket is watched for its first writable event. What
is sent in the same turn of the loop (a request, a ClientHello) cannot have been acknowledged yet:
the kernel's smoothed estimate still is the one sample that the SYN gave. Only a loop blocked for
longer than the round trip itself could mix in another; ``lag_us`` tells.

Source: curl_easy_setopt(3), tcp(7); the layout of TCP_INFO is include/uapi/linux/tcp.h.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pycurl

from agent.failure import CurlError
from agent.guard import Address, Guard
from agent.phases import Marks
from agent.url import Target

# Both as received and once decompressed.
MAX_BODY_BYTES = 10 * 1024 * 1024
# All that a connection may bring, framing and headers included: a chunk extension without end is
# neither body nor header, and no limit of libcurl's sees it.
MAX_WIRE_BYTES = MAX_BODY_BYTES + 2 * 1024 * 1024

_HTTP_VERSIONS = {
    pycurl.CURL_HTTP_VERSION_1_0: "1.0",
    pycurl.CURL_HTTP_VERSION_1_1: "1.1",
    pycurl.CURL_HTTP_VERSION_2_0: "2",
    pycurl.CURL_HTTP_VERSION_3: "3",
}

_USER_AGENT = f"Vantage/{version('vantage-monitor')}"

_TCP_INFO = 11
_TCP_INFO_BYTES = 136
_TCP_ESTABLISHED = 1
_RTT = struct.Struct("=68xI")
_BYTES_RECEIVED = struct.Struct("=128xQ")

# RESOLVE entries live in the multi handle; each is replaced before it is used, and a second later
# is only memory.
_NAMES_AGE_S = 1


@dataclass(frozen=True, slots=True)
class Transfer:
    """What one exchange with libcurl came to.

    ``error``: None: a whole response was received. ``refusal``: the guard's words, if it refused
    an address. ``is_too_large``: we ended it, for bringing more than MAX_WIRE_BYTES.
    ``location``: where a redirect leads, absolute; empty: no redirect. The others are as in
    Exchange.
    """

    marks: Marks
    error: CurlError | None
    refusal: str | None
    is_too_large: bool
    http_status: int | None
    http_version: str
    header_bytes: int
    body_bytes: int
    target_ip: bytes
    local_ip: bytes
    rtt_us: int | None
    cert_expires_at_us: int | None
    location: str


class Engine:
    """Runs any number of exchanges at once on one event loop."""

    def __init__(self, guard: Guard, authorities: Path, source_address: str | None) -> None:
        self._guard = guard
        self._authorities = authorities
        self._source_address = source_address
        self._idle: list[_Handle] = []
        self._multi = pycurl.AsyncCurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_NOTHING)

    async def exchange(
        self, target: Target, addresses: Sequence[Address], timeout_us: int
    ) -> Transfer:
        """GET ``target``, connecting to whichever of ``addresses`` answers first."""
        handle = self._idle.pop() if self._idle else self._new_handle()
        handle.prepare(target, addresses, timeout_us)
        error: CurlError | None = None
        try:
            await self._multi.perform(handle.curl)
        except pycurl.error as raised:
            error = handle.error(raised)
        except BaseException:
            # Cancelled. The multi handle would let go of it only on the loop's next turn, and
            # closing it before that leaves its future pending for ever.
            with contextlib.suppress(RuntimeError, pycurl.error):
                self._multi.remove_handle(handle.curl)
            handle.close()
            raise
        transfer = handle.finish(error, is_tls=target.is_tls)
        self._idle.append(handle)
        return transfer

    async def close(self) -> None:
        """End what is in flight (it is cancelled) and free every handle."""
        await self._multi.aclose()
        while self._idle:
            self._idle.pop().close()

    def _new_handle(self) -> _Handle:
        return _Handle(self._guard, self._authorities, self._source_address)


class _Handle:
    """A pooled easy handle, and what its callbacks see during one transfer."""

    __slots__ = (
        "_guard",
        "_loop",
        "_sockets",
        "_tried",
        "curl",
        "is_too_large",
        "refusal",
        "rtt_us",
    )

    def __init__(self, guard: Guard, authorities: Path, source_address: str | None) -> None:
        self._guard = guard
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self.curl = _easy_handle(authorities, source_address)
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        self.curl.setopt(pycurl.XFERINFOFUNCTION, self._on_progress)
        self._forget()

    def _forget(self) -> None:
        self._tried = ""
        self.refusal: str | None = None
        self.rtt_us: int | None = None
        self.is_too_large = False

    def prepare(self, target: Target, addresses: Sequence[Address], timeout_us: int) -> None:
        self._forget()
        curl = self.curl
        curl.setopt(pycurl.URL, target.url)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, -(-timeout_us // 1000)))
        if target.address is None:
            joined = ",".join(f"[{a}]" if a.version == 6 else str(a) for a in addresses)
            curl.setopt(pycurl.RESOLVE, [f"+{target.host}:{target.port}:{joined}"])

    def error(self, raised: pycurl.error) -> CurlError:
        number, message = raised.args[0], raised.args[1]
        return CurlError(
            number,
            message or self.curl.errstr(),
            os_errno=self.curl.getinfo(pycurl.OS_ERRNO),
            verify_result=self.curl.getinfo(pycurl.SSL_VERIFYRESULT),
        )

    def finish(self, error: CurlError | None, *, is_tls: bool) -> Transfer:
        self._close_sockets()
        info = self.curl.getinfo
        status = info(pycurl.RESPONSE_CODE)
        return Transfer(
            marks=Marks(
                connected=info(pycurl.CONNECT_TIME_T),
                secured=info(pycurl.APPCONNECT_TIME_T),
                sent=info(pycurl.POSTTRANSFER_TIME_T),
                first_byte=info(pycurl.STARTTRANSFER_TIME_T),
                total=info(pycurl.TOTAL_TIME_T),
            ),
            error=error,
            refusal=self.refusal,
            is_too_large=self.is_too_large,
            http_status=status or None,
            http_version=_HTTP_VERSIONS.get(info(pycurl.INFO_HTTP_VERSION), "") if status else "",
            header_bytes=info(pycurl.HEADER_SIZE),
            body_bytes=int(info(pycurl.SIZE_DOWNLOAD_T)),
            target_ip=_packed(info(pycurl.PRIMARY_IP) or self._tried),
            local_ip=_packed(info(pycurl.LOCAL_IP)),
            rtt_us=self.rtt_us,
            cert_expires_at_us=_leaf_expiry(self.curl) if is_tls else None,
            location=_location(self.curl),
        )

    def close(self) -> None:
        self._close_sockets()
        self.curl.close()

    def _open_socket(self, _purpose: int, wanted: Any) -> socket.socket | int:
        """Judge the very address libcurl is about to connect to; called for every attempt.

        pycurl duplicates the descriptor; ours stays open for TCP_INFO until the transfer is over.
        """
        host = wanted.addr[0]
        self._tried = host
        self.refusal = self._guard.refusal(ip_address(host.partition("%")[0]))
        if self.refusal is not None:
            return int(pycurl.SOCKET_BAD)
        try:
            opened = socket.socket(wanted.family, wanted.socktype, wanted.protocol)
        except OSError:
            return int(pycurl.SOCKET_BAD)
        self._sockets.append(opened)
        self._loop.add_writer(opened, self._on_writable, opened)
        return opened

    def _on_writable(self, opened: socket.socket) -> None:
        """Read the round trip that the SYN took, once; see the module's docstring."""
        self._loop.remove_writer(opened)
        info = opened.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_BYTES)
        if info[0] == _TCP_ESTABLISHED and self.rtt_us is None:
            (self.rtt_us,) = _RTT.unpack_from(info)

    def _on_progress(self, *_sizes: int) -> int:
        """Ask the kernel how much the connection brought; anything but 0 ends the transfer."""
        for each in self._sockets:
            info = each.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_BYTES)
            if len(info) == _TCP_INFO_BYTES and _BYTES_RECEIVED.unpack(info)[0] > MAX_WIRE_BYTES:
                self.is_too_large = True
        return int(self.is_too_large)

    def _close_sockets(self) -> None:
        while self._sockets:
            opened = self._sockets.pop()
            self._loop.remove_writer(opened)
            opened.close()


def _easy_handle(authorities: Path, source_address: str | None) -> Any:
    """Make a handle with everything that is the same for all transfers."""
    curl = pycurl.Curl()
    http = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
    for option, value in (
        (pycurl.PROTOCOLS, http),
        (pycurl.REDIR_PROTOCOLS, http),
        (pycurl.FOLLOWLOCATION, 0),
        # An http_proxy in the environment would connect for us, past the guard.
        (pycurl.PROXY, ""),
        (pycurl.NOSIGNAL, 1),
        (pycurl.FRESH_CONNECT, 1),
        (pycurl.FORBID_REUSE, 1),
        (pycurl.DNS_CACHE_TIMEOUT, _NAMES_AGE_S),
        (pycurl.SSL_SESSIONID_CACHE, 0),
        (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS),
        (pycurl.ACCEPT_ENCODING, ""),
        (pycurl.USERAGENT, _USER_AGENT),
        (pycurl.CAINFO, str(authorities)),
        (pycurl.OPT_CERTINFO, 1),
        (pycurl.MAXFILESIZE_LARGE, MAX_BODY_BYTES),
        (pycurl.NOPROGRESS, 0),
        (pycurl.WRITEFUNCTION, _discard),
    ):
        curl.setopt(option, value)
    if source_address is not None:
        curl.setopt(pycurl.INTERFACE, f"host!{source_address}")
    return curl


def _discard(_body: bytes) -> None:
    """Take the body and keep none of it."""


def _packed(address: str) -> bytes:
    return ip_address(address.partition("%")[0]).packed if address else b""


def _location(curl: Any) -> str:
    raw: bytes | None = curl.getinfo_raw(pycurl.REDIRECT_URL)
    return raw.decode("utf-8", "replace") if raw else ""


def _leaf_expiry(curl: Any) -> int | None:
    """End of validity of the first certificate, Unix microseconds; None: none was seen."""
    # Raw, because a stranger's certificate may hold names in any encoding.
    chain = curl.getinfo_raw(pycurl.INFO_CERTINFO)
    for name, value in chain[0] if chain else ():
        if name == b"Expire date":
            return _instant_us(value.decode("ascii", "replace"))
    return None


def _instant_us(text: str) -> int | None:
    """Read libcurl's "Nov 23 22:47:00 2026 GMT"."""
    try:
        at = datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(at.timestamp()) * 1_000_000
