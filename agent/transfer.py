"""One exchange by libcurl: a connection of its own, one request, one response, its marks.

agent.engine pools the handles; agent.multi drives them.

A callback must not raise: libcurl would report error 23 and the exception only reach stderr.

Source: curl_easy_setopt(3).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pycurl

from agent import request as requests
from agent import tcp_info
from agent.content import Content
from agent.encodings import Encodings
from agent.event import Connection, Event, stamp
from agent.failure import CurlError
from agent.guard import Address, Guard, read_address
from agent.handshake import Trace
from agent.line import Line
from agent.multi import Ended, Multi
from agent.phase_limiter import PhaseLimiter
from agent.phases import Marks
from agent.result import Handshake, Request
from agent.timing import Timing
from agent.version import VERSION
from agent.visit import Visit
from vantage.scheme import HTTP, WEBSOCKET
from vantage.url import Target

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

_USER_AGENT = f"Vantage/{VERSION}"

# pycurl does not name these; they are libcurl's ABI.
_PROTO_WS, _PROTO_WSS = 1 << 30, 1 << 31

# A connection is asked how much it brought once in so many turns; no turn brings a megabyte.
_TURNS_UNASKED = 8

PLAIN = Request()

# Takes the body, all of it, and keeps none.
_DISCARD = len

# CONNECT_ONLY, FORBID_REUSE, SSL_ENABLE_ALPN. A connection that somebody will speak over must
# outlive its transfer, and is closed when the handle is taken out of the multi. ALPN would offer
# HTTP to servers that may well refuse to speak it.
_WHOLE, _UPGRADE, _CONNECT = (0, 1, 1), (2, 0, 1), (1, 0, 0)
_MODES = {**dict.fromkeys(HTTP, _WHOLE), **dict.fromkeys(WEBSOCKET, _UPGRADE)}

# RESOLVE entries live in the multi handle; each is replaced before it is used, and a second later
# is only memory.
_NAMES_AGE_S = 1


@dataclass(slots=True)
class Transfer:
    """What one exchange with libcurl came to.

    ``doubt_us``: by how much a mark may be late, at most; None: it failed, and nobody knows.
    ``error``: None: a whole response was received. ``refusal``: the guard's words, if it refused
    an address. ``is_too_large``: we ended it, for bringing more than MAX_WIRE_BYTES.
    ``location``: where a redirect leads, absolute; empty: no redirect. The others are as in
    Exchange.
    """

    marks: Marks
    doubt_us: int | None
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
    handshake: Handshake | None
    location: str
    is_reused: bool = False


class Handle:
    """A pooled easy handle, and what its callbacks see during one transfer."""

    __slots__ = (
        "_connections",
        "_content",
        "_descriptor",
        "_encodings",
        "_expired",
        "_getinfo",
        "_guard",
        "_is_tls",
        "_is_traced",
        "_limiter",
        "_mode",
        "_multi",
        "_request",
        "_timing",
        "_trace",
        "_tried",
        "_turns",
        "_visit",
        "curl",
        "is_reusable",
        "is_too_large",
        "refusal",
    )

    def __init__(
        self, multi: Multi, guard: Guard, authorities: Path, source_address: str | None
    ) -> None:
        self._multi = multi
        self._guard = guard
        self._connections: list[Connection] = []
        self.curl = _easy_handle(authorities, source_address)
        self._getinfo = self.curl.getinfo
        self._timing = Timing(self.curl)
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        self.curl.setopt(pycurl.SOCKOPTFUNCTION, self._on_opened)
        self._content: Content | None = None
        self._encodings = Encodings()
        self.curl.setopt(pycurl.HEADERFUNCTION, self._encodings.on_header)
        self._request = PLAIN
        self.is_reusable = requests.apply(self.curl, PLAIN)
        self._limiter: PhaseLimiter | None = None
        self._mode = _WHOLE
        self._is_traced = False
        self._trace = Trace()
        self.curl.setopt(pycurl.DEBUGFUNCTION, self._trace.on_debug)
        self._forget()

    def _forget(self) -> None:
        self._tried = ""
        self.refusal: str | None = None
        self.is_too_large = False
        self._turns = 0
        self._is_tls = False
        self._trace.forget()
        self._expired = ""
        self._visit: Visit | None = None

    def prepare(
        self,
        target: Target,
        addresses: Sequence[Address],
        timeout_us: int,
        request: Request,
        content: Content | None,
    ) -> None:
        self._forget()
        self._is_tls = target.is_tls
        self._timing.begin(is_tls=target.is_tls)
        curl = self.curl
        if request is not self._request:
            if request != self._request:
                self.is_reusable = requests.apply(curl, request)
            self._request = request
        self._encodings.begin(
            None if content is None else content.on_header, is_unpacked=not request.is_uncompressed
        )
        if content is not None:
            curl.setopt(pycurl.WRITEFUNCTION, content.on_body)
            self._content = content
        if target.is_tls != self._is_traced:
            self._trace_it(target.is_tls)
        mode = _MODES.get(target.scheme, _CONNECT)
        if mode != self._mode:
            self._set_mode(mode)
        curl.setopt(pycurl.URL, target.url if mode is not _CONNECT else _plain_url(target))
        curl.setopt(pycurl.TIMEOUT_MS, max(1, -(-timeout_us // 1000)))
        at = target
        if request.proxy is not None:
            at = requests.proxy_target(request.proxy.url)
            self._trace.is_of_proxy = request.proxy.url.startswith("https:")
        if at.address is None:
            joined = ",".join(f"[{a}]" if a.version == 6 else str(a) for a in addresses)
            curl.setopt(pycurl.RESOLVE, [f"+{at.host}:{at.port}:{joined}"])
        if request.phase_timeouts is not None:
            self._limiter = PhaseLimiter(
                request.phase_timeouts,
                is_tls=target.is_tls,
                marks=self._timing.raw_marks,
                expire=self._on_expired,
            )

    def _trace_it(self, is_traced: bool) -> None:
        self._is_traced = is_traced
        self.curl.setopt(pycurl.VERBOSE, int(is_traced))

    def _set_mode(self, mode: tuple[int, int, int]) -> None:
        self._mode = mode
        connect_only, forbid_reuse, alpn = mode
        self.curl.setopt(pycurl.CONNECT_ONLY, connect_only)
        self.curl.setopt(pycurl.FORBID_REUSE, forbid_reuse)
        self.curl.setopt(pycurl.SSL_ENABLE_ALPN, alpn)

    def join(
        self, visit: Visit, target: Target, addresses: Sequence[Address], forgotten: list[str]
    ) -> None:
        """Use the connections of a visit; ``forgotten``: names of visits that are over."""
        self._visit = visit
        visit.board(self)
        connect_to, resolve = visit.lead(target, addresses)
        self.curl.setopt(pycurl.CONNECT_TO, [connect_to])
        self.curl.setopt(pycurl.RESOLVE, [*forgotten, resolve])
        # Whether a server speaks HTTP/2, and one connection is enough, the first one learns.
        self.curl.setopt(pycurl.PIPEWAIT, int(target.is_tls))

    def _error(self, ended: Ended) -> CurlError:
        if self._encodings.is_refused:
            words = "the body is compressed more than once, which is not unpacked"
            return CurlError(pycurl.E_BAD_CONTENT_ENCODING, words)
        words = self._expired or self._trace.mismatch or ended.message or self.curl.errstr()
        return CurlError(
            ended.number,
            words if self._visit is None else self._visit.plain(words),
            os_errno=self.curl.getinfo(pycurl.OS_ERRNO) or self._trace.os_errno,
            verify_result=self.curl.getinfo(pycurl.SSL_VERIFYRESULT)
            or self.curl.getinfo(pycurl.PROXY_SSL_VERIFYRESULT),
        )

    def _marks(self, ended: Ended, attempts: int) -> Marks:
        queued_us = 0 if self._visit is None else self._queued_us()
        marks = self._timing.marks(ended, attempts, queued_us)
        if ended.number and self._request.proxy and not self._getinfo(pycurl.REQUEST_SIZE):
            # The proxy was connected, and let nothing through: these are placeholders.
            marks = replace(marks, sent=0, first_byte=0)
        return marks

    def _queued_us(self) -> int:
        """How long it took until there was a connection to use, or one was begun.

        QUEUE_TIME counts twice what was put back into the queue.
        """
        mark = pycurl.PRETRANSFER_TIME_T if self._is_reused() else pycurl.NAMELOOKUP_TIME_T
        queued_us: int = self._getinfo(mark)
        return queued_us

    def _is_reused(self) -> bool:
        """Whether the exchange went over a connection that was there already."""
        info = self._getinfo
        return bool(info(pycurl.PRETRANSFER_TIME_T)) and not info(pycurl.NUM_CONNECTS)

    def finish(self, ended: Ended) -> Transfer:
        attempts = len(self._connections)
        error = self._error(ended) if ended.number else None
        self._let_go_of_sockets()
        self._let_go_of_content()
        info = self._getinfo
        status = info(pycurl.RESPONSE_CODE)
        marks = self._marks(ended, attempts)
        return Transfer(
            marks=marks,
            doubt_us=None if ended.number else self._timing.doubt_us,
            error=error,
            refusal=self.refusal,
            is_too_large=self.is_too_large,
            http_status=status or None,
            http_version=_HTTP_VERSIONS.get(info(pycurl.INFO_HTTP_VERSION), "") if status else "",
            header_bytes=info(pycurl.HEADER_SIZE),
            body_bytes=info(pycurl.SIZE_DOWNLOAD_T),
            target_ip=_packed(info(pycurl.PRIMARY_IP) or self._tried),
            local_ip=_packed(info(pycurl.LOCAL_IP)),
            rtt_us=self._timing.rtt_us,
            handshake=self._handshake() if self._is_tls else None,
            location=_location(self.curl) if 300 <= status < 400 else "",
            is_reused=self._visit is not None and self._is_reused(),
        )

    def _handshake(self) -> Handshake | None:
        is_quic = self._request.http_version == "3"
        return self._trace.handshake(self.curl.getinfo_raw(pycurl.INFO_CERTINFO) if is_quic else ())

    def _let_go_of_content(self) -> None:
        """An idle handle shall neither add to it nor hold it in memory."""
        if self._content is not None:
            self._content = None
            self._encodings.begin()
            self.curl.setopt(pycurl.WRITEFUNCTION, _DISCARD)

    def line(self) -> Line:
        """Return the connection that was made, to be spoken over."""
        return Line(self.curl, self._connections[-1], self._timing.ended_ns)

    def close(self) -> None:
        self._let_go_of_sockets()
        self.curl.close()

    def _open_socket(self, _purpose: int, wanted: Any) -> socket.SocketType | int:
        """Judge the very address libcurl is about to connect to; called for every attempt.

        pycurl duplicates the descriptor; ours stays open for TCP_INFO until the transfer is over.
        """
        family, kind, protocol, address = wanted
        self._tried = host = address[0]
        self.refusal = self._guard.refusal_of(host)
        if self.refusal is not None:
            return int(pycurl.SOCKET_BAD)
        try:
            # Not socket.socket, which takes three times as long to make and to close.
            opened = socket.SocketType(family, kind, protocol)
        except OSError:
            return int(pycurl.SOCKET_BAD)
        if opened.type == socket.SOCK_STREAM:
            stamp(opened)
        self._connections.append(Connection(opened, self._visit or self))
        return opened

    def _on_opened(self, descriptor: int, _purpose: int) -> int:
        """Learn the descriptor of the socket just made, which is libcurl's own."""
        self._descriptor = descriptor
        self._multi.expect(descriptor, self._connections[-1])
        if self._limiter is not None:
            self._limiter.opened()
        return int(pycurl.SOCKOPT_OK)

    def _on_expired(self, words: str) -> None:
        """Have libcurl itself end the transfer: until it does, some of its marks are not set."""
        self._expired = words
        if self._mode is _UPGRADE and self._timing.raw_marks().sent:
            # It never gives up waiting for a WebSocket.
            self._multi.end(self.curl, Ended(pycurl.E_OPERATION_TIMEDOUT, words))
            return
        self.curl.setopt(pycurl.TIMEOUT_MS, 1)
        self._multi.touch(self._descriptor)

    def concerns(self, curl: Any) -> bool:
        return curl is self.curl

    def is_on(self, connection: Connection) -> bool:
        """Whether the exchange goes over this connection: one made for it, or that of another."""
        if self._connections:
            return connection in self._connections
        return bool(self._getinfo(pycurl.ACTIVESOCKET) == connection.descriptor)

    def on_ready(self, event: Event) -> None:
        """Time an event before libcurl acts on it; see agent.multi."""
        if not self._connections and not self._timing.is_established:
            self._timing.begin_connected()
        self._timing.ready(event)

    def on_acted(self, event: Event) -> None:
        """Time an event that libcurl has acted on, and see that nothing goes on for ever."""
        self._timing.acted(event)
        if self._is_traced and self._timing.is_secured:
            self._trace_it(False)
        if self._limiter is not None:
            if self._timing.is_established:
                self._limiter.connected()
            self._limiter.look()
        self._turns += 1
        if self._turns % _TURNS_UNASKED or not self._connections:
            return
        if tcp_info.bytes_received(event.connection.duplicate) > MAX_WIRE_BYTES:
            self.is_too_large = True
            self._multi.end(self.curl, Ended(pycurl.E_ABORTED_BY_CALLBACK, ""))

    def _let_go_of_sockets(self) -> None:
        if self._limiter is not None:
            self._limiter.stop()
            self._limiter = None
        if self._visit is not None:
            self._visit.leave(self, self._connections)
            self._connections = []
        while self._connections:
            connection = self._connections.pop()
            connection.observer = None
            connection.duplicate.close()


def _plain_url(target: Target) -> str:
    """Word what libcurl connects to; it is told of no protocol of which it would speak first."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{'https' if target.is_tls else 'http'}://{host}:{target.port}/"


def _easy_handle(authorities: Path, source_address: str | None) -> Any:
    """Make a handle with everything that is the same for all transfers."""
    curl = pycurl.Curl()
    http = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
    for option, value in (
        (pycurl.PROTOCOLS, http | _PROTO_WS | _PROTO_WSS),
        (pycurl.REDIR_PROTOCOLS, http),
        (pycurl.FOLLOWLOCATION, 0),
        # An http_proxy in the environment would connect for us, past the guard.
        (pycurl.PROXY, ""),
        (pycurl.NOSIGNAL, 1),
        (pycurl.FRESH_CONNECT, 1),
        (pycurl.FORBID_REUSE, 1),
        (pycurl.DNS_CACHE_TIMEOUT, _NAMES_AGE_S),
        (pycurl.SSL_SESSIONID_CACHE, 0),
        (pycurl.USERAGENT, _USER_AGENT),
        (pycurl.CAINFO, str(authorities)),
        (pycurl.PROXY_CAINFO, str(authorities)),
        (pycurl.MAXFILESIZE_LARGE, MAX_BODY_BYTES),
        (pycurl.WRITEFUNCTION, _DISCARD),
    ):
        curl.setopt(option, value)
    if source_address is not None:
        curl.setopt(pycurl.INTERFACE, f"host!{source_address}")
    return curl


@lru_cache(maxsize=4096)
def _packed(text: str) -> bytes:
    return read_address(text).packed if text else b""


def _location(curl: Any) -> str:
    raw: bytes | None = curl.getinfo_raw(pycurl.REDIRECT_URL)
    return raw.decode("utf-8", "replace") if raw else ""
