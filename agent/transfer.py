"""One exchange by libcurl: a connection of its own, one request, one response, its marks.

Easy handles are pooled; connections, names and TLS sessions never are: a monitor measures what a
new visitor sees. What drives them is in agent.multi.

A callback must not raise: libcurl would report error 23 and the exception only reach stderr.

``rtt_us`` is read at a connection's first event, before libcurl answers it: nothing else has been
sent, so the kernel's smoothed estimate still is the one sample that the SYN gave.

Source: curl_easy_setopt(3).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pycurl

from agent import request as requests
from agent import tcp_info
from agent.content import Content
from agent.failure import CurlError
from agent.guard import Address, Guard, read_address
from agent.handshake import Trace
from agent.line import Line
from agent.multi import Connection, Ended, Multi
from agent.phase_limiter import PhaseLimiter
from agent.phases import Marks
from agent.readiness import Waits, unwaited
from agent.result import Handshake, Request
from agent.url import HTTP, WEBSOCKET, Target
from agent.visit import Visit

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

# pycurl does not name these; they are libcurl's ABI.
_PROTO_WS, _PROTO_WSS = 1 << 30, 1 << 31

# A connection is asked how much it brought once in so many turns; no turn brings a megabyte.
_TURNS_UNASKED = 8

# An event that had to wait for longer may have been joined by another.
_LATE_US = 1_000

# How far a transfer has come, by its marks.
_CONNECTING, _SECURING, _WAITING, _RECEIVING = range(4)

PLAIN = Request()

# CONNECT_ONLY, FORBID_REUSE, SSL_ENABLE_ALPN. A connection that somebody will speak over must
# outlive its transfer, and is closed when the handle is taken out of the multi. ALPN would offer
# HTTP to servers that may well refuse to speak it.
_WHOLE, _UPGRADE, _CONNECT = (0, 1, 1), (2, 0, 1), (1, 0, 0)
_MODES = {**dict.fromkeys(HTTP, _WHOLE), **dict.fromkeys(WEBSOCKET, _UPGRADE)}

# What is done over a connection once it is made.
Talk = Callable[[Line], Awaitable[None]]

# RESOLVE entries live in the multi handle; each is replaced before it is used, and a second later
# is only memory.
_NAMES_AGE_S = 1


@dataclass(slots=True)
class Transfer:
    """What one exchange with libcurl came to.

    ``doubt_us``: by how much a mark may be late, at most; None: not known. ``error``: None: a
    whole response was received. ``refusal``: the guard's words, if it refused
    an address. ``is_too_large``: we ended it, for bringing more than MAX_WIRE_BYTES.
    ``location``: where a redirect leads, absolute; empty: no redirect. ``content``: None: it was
    not to be kept. The others are as in Exchange.
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
    content: Content | None
    is_reused: bool = False


class Engine:
    """Runs any number of exchanges at once on one event loop.

    ``is_for_pages``: those of one visit share connections; each is to be given one.
    """

    def __init__(
        self,
        guard: Guard,
        authorities: Path,
        source_address: str | None,
        *,
        is_for_pages: bool = False,
    ) -> None:
        self._guard = guard
        self._authorities = authorities
        self._source_address = source_address
        self._idle: list[_Handle] = []
        self._multi = Multi(is_for_pages=is_for_pages)
        self._is_for_pages = is_for_pages
        self._forgotten: list[str] = []

    async def exchange(
        self,
        target: Target,
        addresses: Sequence[Address],
        timeout_us: int,
        request: Request = PLAIN,
        content: Content | None = None,
        talk: Talk | None = None,
        visit: Visit | None = None,
    ) -> Transfer:
        """Make ``request`` of ``target``, at whichever of ``addresses`` answers first.

        Only of HTTP and WebSocket is anything asked; with other schemes it is the connection that
        is made. ``content``: keeps what the response brings; None: nobody needs it. ``talk``: goes
        on over the connection, unless the scheme is HTTP.
        """
        handle = self._idle.pop() if self._idle else self._new_handle()
        handle.prepare(target, addresses, timeout_us, request, content)
        if visit is not None:
            handle.join(visit, target, addresses, self._forgotten)
            self._forgotten = []
        try:
            if talk is None:
                ended = await self._multi.perform(handle.curl)
            else:
                ended = await self._perform_and(
                    partial(talk, Line(handle.curl)), handle, timeout_us
                )
        except BaseException:
            handle.close()
            raise
        transfer = handle.finish(ended)
        if handle.is_reusable:
            self._idle.append(handle)
        else:
            handle.close()
        return transfer

    async def _perform_and(
        self, goes_on: Callable[[], Awaitable[None]], handle: _Handle, timeout_us: int
    ) -> Ended:
        """Transfer and go on; libcurl itself never gives up waiting for a WebSocket."""
        late = Ended(pycurl.E_OPERATION_TIMEDOUT, f"no answer within {timeout_us / 1e6:g} s", 0)
        timer = asyncio.get_running_loop().call_later(
            timeout_us / 1e6, self._multi.end, handle.curl, late
        )
        try:
            return await self._multi.perform(handle.curl, goes_on)
        finally:
            timer.cancel()

    def end(self, visit: Visit) -> None:
        """Shut the connections of a visit; none of its exchanges may be in flight."""
        self._forgotten += visit.end()

    async def close(self) -> None:
        """End what is in flight (it is cancelled) and free every handle."""
        self._multi.close()
        while self._idle:
            self._idle.pop().close()

    def _new_handle(self) -> _Handle:
        handle = _Handle(self._multi, self._guard, self._authorities, self._source_address)
        if self._is_for_pages:
            handle.curl.setopt(pycurl.FRESH_CONNECT, 0)
            handle.curl.setopt(pycurl.FORBID_REUSE, 0)
            handle.curl.setopt(pycurl.DNS_CACHE_TIMEOUT, -1)
        return handle


class _Handle:
    """A pooled easy handle, and what its callbacks see during one transfer."""

    __slots__ = (
        "_connect_doubt_us",
        "_connections",
        "_content",
        "_descriptor",
        "_doubt_us",
        "_expired",
        "_getinfo",
        "_guard",
        "_is_established",
        "_is_retransmitted",
        "_is_tls",
        "_last_doubt_us",
        "_last_wait_us",
        "_limiter",
        "_mode",
        "_multi",
        "_quiet_us",
        "_request",
        "_stage",
        "_trace",
        "_tried",
        "_turns",
        "_visit",
        "_waits",
        "curl",
        "is_reusable",
        "is_too_large",
        "refusal",
        "rtt_us",
    )

    def __init__(
        self, multi: Multi, guard: Guard, authorities: Path, source_address: str | None
    ) -> None:
        self._multi = multi
        self._guard = guard
        self._connections: list[Connection] = []
        self.curl = _easy_handle(authorities, source_address)
        self._getinfo = self.curl.getinfo
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        self.curl.setopt(pycurl.SOCKOPTFUNCTION, self._on_opened)
        self._content: Content | None = None
        self._request = PLAIN
        self.is_reusable = requests.apply(self.curl, PLAIN)
        self._limiter: PhaseLimiter | None = None
        self._mode = _WHOLE
        self._trace = Trace()
        self.curl.setopt(pycurl.DEBUGFUNCTION, self._trace.on_debug)
        self._forget()

    def _forget(self) -> None:
        self._tried = ""
        self.refusal: str | None = None
        self.rtt_us: int | None = None
        self.is_too_large = False
        self._turns = 0
        self._is_tls = False
        self._stage = _CONNECTING
        self._waits = Waits()
        self._last_wait_us = 0
        self._connect_doubt_us = self._doubt_us = self._last_doubt_us = 0
        self._is_established = self._is_retransmitted = False
        self._quiet_us = 0
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
        curl = self.curl
        if request is not self._request and request != self._request:
            self.is_reusable = requests.apply(curl, request)
            self._request = request
        if content is not None:
            curl.setopt(pycurl.HEADERFUNCTION, content.on_header)
            curl.setopt(pycurl.WRITEFUNCTION, content.on_body)
            self._content = content
        curl.setopt(pycurl.VERBOSE, int(target.is_tls))
        mode = _MODES.get(target.scheme, _CONNECT)
        if mode != self._mode:
            self._set_mode(mode)
        curl.setopt(pycurl.URL, target.url if mode is not _CONNECT else _plain_url(target))
        curl.setopt(pycurl.TIMEOUT_MS, max(1, -(-timeout_us // 1000)))
        at = target if request.proxy is None else requests.proxy_target(request.proxy.url)
        if at.address is None:
            joined = ",".join(f"[{a}]" if a.version == 6 else str(a) for a in addresses)
            curl.setopt(pycurl.RESOLVE, [f"+{at.host}:{at.port}:{joined}"])
        if request.phase_timeouts is not None:
            self._limiter = PhaseLimiter(
                request.phase_timeouts,
                is_tls=target.is_tls,
                marks=self._raw_marks,
                expire=self._on_expired,
            )

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
        connect_to, resolve = visit.lead(target, addresses)
        self.curl.setopt(pycurl.CONNECT_TO, [connect_to])
        self.curl.setopt(pycurl.RESOLVE, [*forgotten, resolve])
        # Whether a server speaks HTTP/2, and one connection is enough, the first one learns.
        self.curl.setopt(pycurl.PIPEWAIT, int(target.is_tls))

    def _error(self, ended: Ended) -> CurlError | None:
        if not ended.number:
            return None
        words = self._expired or ended.message or self.curl.errstr()
        return CurlError(
            ended.number,
            words if self._visit is None else self._visit.plain(words),
            os_errno=self.curl.getinfo(pycurl.OS_ERRNO),
            verify_result=self.curl.getinfo(pycurl.SSL_VERIFYRESULT),
        )

    def _raw_marks(self) -> Marks:
        info = self._getinfo
        return Marks(
            info(pycurl.CONNECT_TIME_T),
            info(pycurl.APPCONNECT_TIME_T) if self._is_tls else 0,
            info(pycurl.POSTTRANSFER_TIME_T),
            info(pycurl.STARTTRANSFER_TIME_T),
            info(pycurl.TOTAL_TIME_T),
        )

    def _marks(self, ended: Ended) -> Marks:
        """Read libcurl's marks; those of a whole transfer without the waits that were ours."""
        marks = self._raw_marks()
        if self._visit is not None:
            return marks.since(self._queued_us())
        if ended.number:
            return marks
        self._waits.total = min(ended.waited_us, self._last_wait_us)
        return unwaited(marks, self._waits, self.rtt_us or 1)

    def _doubt(self, marks: Marks, ended: Ended, attempts: int) -> int | None:
        """By how much a mark may be late, at most; None: of a failure and of a page, that
        is not known."""
        if ended.number or self._visit is not None:
            return None
        connect_us = self._connect_doubt_us
        if attempts == 1 and self.rtt_us is not None and not self._is_retransmitted:
            connect_us = marks.connected - self.rtt_us
        return max(0, connect_us, self._doubt_us, self._last_doubt_us)

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
        self._let_go_of_sockets()
        info = self._getinfo
        status = info(pycurl.RESPONSE_CODE)
        marks = self._marks(ended)
        return Transfer(
            marks=marks,
            doubt_us=self._doubt(marks, ended, attempts),
            error=self._error(ended),
            refusal=self.refusal,
            is_too_large=self.is_too_large,
            http_status=status or None,
            http_version=_HTTP_VERSIONS.get(info(pycurl.INFO_HTTP_VERSION), "") if status else "",
            header_bytes=info(pycurl.HEADER_SIZE),
            body_bytes=info(pycurl.SIZE_DOWNLOAD_T),
            target_ip=_packed(info(pycurl.PRIMARY_IP) or self._tried),
            local_ip=_packed(info(pycurl.LOCAL_IP)),
            rtt_us=self.rtt_us,
            handshake=self._trace.handshake() if self._is_tls else None,
            location=_location(self.curl) if 300 <= status < 400 else "",
            content=self._let_go(),
            is_reused=self._visit is not None and self._is_reused(),
        )

    def _let_go(self) -> Content | None:
        """Return what was kept; an idle handle shall neither add to it nor hold it in memory."""
        content, self._content = self._content, None
        if content is not None:
            self.curl.setopt(pycurl.HEADERFUNCTION, None)
            self.curl.setopt(pycurl.WRITEFUNCTION, _discard)
        return content

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
        self._connections.append(Connection(opened, self))
        return opened

    def _on_opened(self, descriptor: int, _purpose: int) -> int:
        """Learn the descriptor of the socket just made, which is libcurl's own."""
        self._descriptor = descriptor
        self._multi.expect(descriptor, self._connections[-1])
        return int(pycurl.SOCKOPT_OK)

    def _on_expired(self, words: str) -> None:
        """Have libcurl itself end the transfer: until it does, some of its marks are not set."""
        self._expired = words
        self.curl.setopt(pycurl.TIMEOUT_MS, 1)
        self._multi.touch(self._descriptor)

    def on_ready(self, connection: Connection, late_us: int) -> None:
        """Read the round trip that the SYN took, once; see the module's docstring."""
        stage = self._stage
        self._pass_stages(0)
        if self._stage != stage:
            # A mark that was made before its event had its turn.
            self._doubt_us = max(self._doubt_us, late_us)
        self._quiet_us = late_us
        if late_us > _LATE_US or not self._is_established:
            info = tcp_info.read(connection.duplicate)
            self._quiet_us = min(late_us, tcp_info.QUIET_MS.unpack_from(info)[0] * 1000)
            if info[0] == tcp_info.ESTABLISHED and not self._is_established:
                self._is_established = True
                self.rtt_us, retransmissions = tcp_info.RTT.unpack_from(info)
                self._is_retransmitted = bool(retransmissions)
                if self._limiter is not None:
                    self._limiter.connected()

    def on_acted(
        self, connection: Connection, waited_us: int, unseen_us: int, kept_us: int
    ) -> None:
        stage = self._stage
        self._last_wait_us = self._pass_stages(waited_us)
        self._last_doubt_us = unseen_us + kept_us
        if stage == _CONNECTING:
            # The request may have left long before libcurl could mark that it had.
            self._connect_doubt_us = unseen_us
            self._doubt_us = max(self._doubt_us, kept_us)
        elif self._stage != stage:
            self._doubt_us = max(self._doubt_us, unseen_us + kept_us)
        if self._limiter is not None:
            self._limiter.look()
        self._turns += 1
        if self._turns % _TURNS_UNASKED:
            return
        if tcp_info.bytes_received(connection.duplicate) > MAX_WIRE_BYTES:
            self.is_too_large = True
            self._multi.end(self.curl, Ended(pycurl.E_ABORTED_BY_CALLBACK, "", 0))

    def _pass_stages(self, waited_us: int) -> int:
        """Note the wait of the event that made the marks which are new.

        Return what of it may be the total's too: what held the peer up is taken out only once.
        """
        stage = self._stage
        if stage == _RECEIVING:
            return min(waited_us, self._quiet_us)
        if stage == _CONNECTING:
            # What is true since the first event on an established connection, libcurl tells only
            # when the handshake is over.
            if not self._is_established:
                return waited_us
            self._waits.connected, waited_us = waited_us, 0
            self._stage = stage = _SECURING if self._is_tls else _WAITING
        if stage == _SECURING and self._getinfo(pycurl.APPCONNECT_TIME_T):
            self._stage, self._waits.secured = _WAITING, min(waited_us, self._quiet_us)
            waited_us = 0
            self.curl.setopt(pycurl.VERBOSE, 0)
        if self._getinfo(pycurl.STARTTRANSFER_TIME_T):
            self._stage, self._waits.first_byte = _RECEIVING, waited_us
        return min(waited_us, self._quiet_us)

    def _let_go_of_sockets(self) -> None:
        if self._limiter is not None:
            self._limiter.stop()
            self._limiter = None
        while self._connections:
            connection = self._connections.pop()
            if self._visit is not None:
                self._visit.keep(connection)
                continue
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
        (pycurl.WRITEFUNCTION, _discard),
    ):
        curl.setopt(option, value)
    if source_address is not None:
        curl.setopt(pycurl.INTERFACE, f"host!{source_address}")
    return curl


def _discard(_body: bytes) -> None:
    """Take the body and keep none of it."""


@lru_cache(maxsize=4096)
def _packed(text: str) -> bytes:
    return read_address(text).packed if text else b""


def _location(curl: Any) -> str:
    raw: bytes | None = curl.getinfo_raw(pycurl.REDIRECT_URL)
    return raw.decode("utf-8", "replace") if raw else ""
