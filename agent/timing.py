"""When each step of a transfer was done: libcurl's marks without what the agent itself held up.

Told of every event on the transfer's connection, before libcurl acts on it and after, it finds out
which event made each mark, and how long what happened had been there by then (agent.readiness says
what becomes of that). It also keeps how late a mark may be for reasons that nobody can correct.

``rtt_us`` is read at a connection's first event, before libcurl answers it: nothing else has been
sent, so the kernel's smoothed estimate still is the one sample that the SYN gave.

Source: curl_easy_getinfo(3), tcp(7).
"""

from __future__ import annotations

from typing import Any

import pycurl

from agent import tcp_info
from agent.event import Event
from agent.multi import Ended
from agent.phases import Marks
from agent.readiness import Waits, unwaited

# How far a transfer has come, by its marks.
_CONNECTING, _SECURING, _WAITING, _RECEIVING = range(4)
_NEVER_NS = 1 << 62


class Timing:
    """The times of one transfer after another of the handle ``curl``; ``begin`` comes first.

    ``rtt_us``: None: there was no event on an established connection of TCP. ``doubt_us``: by how
    much a mark of a whole transfer may be wrong, at most; it stands when ``marks`` were asked for.
    ``ended_ns``: when what ended it had come, by the monotonic clock; None: no event did.
    """

    __slots__ = (
        "_began_ns",
        "_connect_doubt_ns",
        "_doubt_ns",
        "_getinfo",
        "_is_retransmitted",
        "_is_reused",
        "_is_tls",
        "_last_doubt_ns",
        "_last_wait_us",
        "_stage",
        "_waits",
        "ended_ns",
        "is_established",
        "rtt_us",
    )

    def __init__(self, curl: Any) -> None:
        self._getinfo = curl.getinfo
        self.begin(is_tls=False)

    def begin(self, *, is_tls: bool) -> None:
        """Forget the transfer before."""
        self._is_tls = is_tls
        self._stage = _CONNECTING
        self._waits = Waits()
        # When libcurl began, at the latest.
        self._began_ns = _NEVER_NS
        self._last_wait_us = 0
        self.ended_ns: int | None = None
        self._connect_doubt_ns = self._doubt_ns = self._last_doubt_ns = 0
        self.is_established = self._is_retransmitted = self._is_reused = False
        self.rtt_us: int | None = None

    def begin_connected(self) -> None:
        """Go on over a connection that was there already; its round trip is not this one's."""
        self._stage = _WAITING
        self.is_established = self._is_reused = True

    @property
    def is_secured(self) -> bool:
        """Whether no handshake is to come any more."""
        return self._stage > _SECURING

    @property
    def doubt_us(self) -> int:
        return self._doubt_ns // 1000

    def ready(self, event: Event) -> None:
        """Take note of an event that libcurl is about to act on."""
        if self._stage < _RECEIVING:
            stage = self._stage
            self._pass_stages(None)
            if self._stage != stage:
                # A mark that was made before its event had its turn.
                self._doubt(event.late_ns)
        if not self.is_established:
            info = tcp_info.read(event.connection.duplicate)
            if info[0] == tcp_info.ESTABLISHED:
                self.is_established = True
                self.rtt_us, retransmissions = tcp_info.RTT.unpack_from(info)
                self._is_retransmitted = bool(retransmissions)

    def acted(self, event: Event) -> None:
        """Take note that libcurl has acted on it."""
        began_ns = event.acted_ns - self._getinfo(pycurl.TOTAL_TIME_T) * 1000
        if began_ns < self._began_ns:
            self._began_ns = began_ns
        stage = self._stage
        if event.is_end:
            self._last_wait_us, self._last_doubt_ns = self._ending(event)
            self.ended_ns = event.newest_ns
        else:
            self._last_doubt_ns = event.kept_ns
        if stage < _RECEIVING:
            self._pass_stages(event)
            # The request may have left long before libcurl could mark that it had.
            self._doubt(event.kept_ns)
            if stage == _SECURING == self._stage and event.is_late:
                # Whether the peer waited for what was answered is not known.
                self._doubt(event.began_ns - event.newest_ns)

    def raw_marks(self) -> Marks:
        """Return libcurl's marks as they stand."""
        info = self._getinfo
        return Marks(
            info(pycurl.CONNECT_TIME_T),
            info(pycurl.APPCONNECT_TIME_T) if self._is_tls else 0,
            info(pycurl.POSTTRANSFER_TIME_T),
            info(pycurl.STARTTRANSFER_TIME_T),
            info(pycurl.TOTAL_TIME_T),
        )

    def marks(self, ended: Ended, attempts: int, queued_us: int = 0) -> Marks:
        """Return the marks, counted from ``queued_us`` on, less what was ours.

        Of a failed transfer nothing is taken out. ``attempts``: how many connections were begun.
        """
        marks = self.raw_marks()
        if queued_us:
            marks = marks.since(queued_us)
        if ended.number:
            return marks
        if attempts == 1 and self.rtt_us and not self._is_retransmitted:
            self._waits.connected = max(0, marks.connected - self.rtt_us)
        else:
            self._doubt(self._connect_doubt_ns)
        self._doubt(self._last_doubt_ns)
        self._waits.total = self._last_wait_us if ended.is_by_event else 0
        return unwaited(marks, self._waits, self.rtt_us or 1)

    def _doubt(self, ns: int) -> None:
        if ns > self._doubt_ns:
            self._doubt_ns = ns

    def _late_us(self, mark: int, came_ns: int, event: Event) -> int:
        """Return how long after ``came_ns`` a mark was made by what libcurl did about ``event``.

        Over a connection that was there already others may take their turn in the same action, and
        when libcurl began is not known well enough to tell when its own came.
        """
        made_ns = event.began_ns
        if not self._is_reused:
            made_ns = self._began_ns + self._getinfo(mark) * 1000
        return max(0, made_ns - came_ns) // 1000

    def _shared_ns(self, event: Event) -> int:
        """How long libcurl may have been busy with others of the same event before its mark."""
        return event.acted_ns - event.began_ns if self._is_reused else 0

    def _pass_stages(self, event: Event | None) -> None:
        """Note how late those marks are that are new, and were made by ``event``; None: by none."""
        if self._stage == _CONNECTING:
            # What is true since the first event on an established connection, libcurl tells only
            # when the handshake is over.
            if event is not None:
                self._waits.connected = (event.began_ns - event.seen_ns) // 1000
                self._connect_doubt_ns = event.doubt_ns
            if not self.is_established:
                return
            self._stage = _SECURING if self._is_tls else _WAITING
        if self._stage == _SECURING and self._getinfo(pycurl.APPCONNECT_TIME_T):
            self._stage = _WAITING
            if event is not None:
                self._waits.secured = (event.began_ns - event.newest_ns) // 1000
                self._doubt(0 if event.is_dated else event.doubt_ns)
                event.count()
        if self._stage == _WAITING and self._getinfo(pycurl.STARTTRANSFER_TIME_T):
            self._stage = _RECEIVING
            if event is not None:
                # What comes first after a handshake may be no answer yet.
                came_ns = event.newest_ns if self._is_tls else event.oldest_ns
                self._waits.first_byte = self._late_us(pycurl.STARTTRANSFER_TIME_T, came_ns, event)
                self._doubt(came_ns - event.oldest_ns + event.doubt_ns + self._shared_ns(event))

    def _ending(self, event: Event) -> tuple[int, int]:
        """Return how late the end is if this event brings it, and by how much more at most.

        What held up the peer too is not taken out again.
        """
        if not self.is_secured:
            return 0, event.kept_ns
        if event.is_shut and self._getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD_T) < 0:
            # The end may be that the peer shut the connection, which has no date.
            return 0, event.late_ns + event.kept_ns
        if event.is_dated and event.is_late and event.has_more_come():
            return 0, event.kept_ns
        wait_us = self._late_us(pycurl.TOTAL_TIME_T, event.newest_ns, event)
        doubt_ns = max(event.kept_ns, self._shared_ns(event))
        return wait_us, doubt_ns + (0 if event.is_dated else event.doubt_ns)
