"""When each step of a transfer was done: libcurl's marks without what the agent itself held up.

Told of every event on the transfer's connection, before libcurl acts on it and after, it finds out
which event made each mark, and how long that event had waited for its turn (agent.readiness says
what becomes of that). It also keeps how late a mark may be for reasons that nobody can correct.

``rtt_us`` is read at a connection's first event, before libcurl answers it: nothing else has been
sent, so the kernel's smoothed estimate still is the one sample that the SYN gave.

Source: curl_easy_getinfo(3), tcp(7).
"""

from __future__ import annotations

from typing import Any

import pycurl

from agent import tcp_info
from agent.multi import Connection, Ended
from agent.phases import Marks
from agent.readiness import Waits, unwaited

# An event that had to wait for longer may have been joined by another.
_LATE_US = 1_000

# How far a transfer has come, by its marks.
_CONNECTING, _SECURING, _WAITING, _RECEIVING = range(4)


class Timing:
    """The times of one transfer after another of the handle ``curl``; ``begin`` comes first.

    ``rtt_us``: None: there was no event on an established connection of TCP.
    """

    __slots__ = (
        "_connect_doubt_us",
        "_doubt_us",
        "_getinfo",
        "_is_retransmitted",
        "_is_tls",
        "_last_doubt_us",
        "_last_wait_us",
        "_quiet_us",
        "_stage",
        "_waits",
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
        self._last_wait_us = self._quiet_us = 0
        self._connect_doubt_us = self._doubt_us = self._last_doubt_us = 0
        self.is_established = self._is_retransmitted = False
        self.rtt_us: int | None = None

    def begin_connected(self) -> None:
        """Go on over a connection that was there already; its round trip is not this one's."""
        self._stage = _WAITING
        self.is_established = True

    @property
    def is_secured(self) -> bool:
        """Whether no handshake is to come any more."""
        return self._stage > _SECURING

    def ready(self, connection: Connection, late_us: int) -> None:
        """Take note of an event that libcurl is about to act on, ``late_us`` late at most."""
        stage = self._stage
        self._pass_stages(0)
        if self._stage != stage:
            # A mark that was made before its event had its turn.
            self._doubt_us = max(self._doubt_us, late_us)
        self._quiet_us = late_us
        if late_us > _LATE_US or not self.is_established:
            info = tcp_info.read(connection.duplicate)
            self._quiet_us = min(late_us, tcp_info.QUIET_MS.unpack_from(info)[0] * 1000)
            if info[0] == tcp_info.ESTABLISHED and not self.is_established:
                self.is_established = True
                self.rtt_us, retransmissions = tcp_info.RTT.unpack_from(info)
                self._is_retransmitted = bool(retransmissions)

    def acted(self, waited_us: int, unseen_us: int, kept_us: int) -> None:
        """Take note that libcurl has acted on it; the times are as agent.multi tells them."""
        stage = self._stage
        self._last_wait_us = self._pass_stages(waited_us)
        self._last_doubt_us = unseen_us + kept_us
        if stage == _CONNECTING:
            # The request may have left long before libcurl could mark that it had.
            self._connect_doubt_us = unseen_us
            self._doubt_us = max(self._doubt_us, kept_us)
        elif self._stage != stage:
            self._doubt_us = max(self._doubt_us, unseen_us + kept_us)

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

    def marks(self, ended: Ended) -> Marks:
        """Return the marks of a whole transfer without the waits that were ours.

        Those of one that failed are as they are.
        """
        marks = self.raw_marks()
        if ended.number:
            return marks
        self._waits.total = min(ended.waited_us, self._last_wait_us)
        return unwaited(marks, self._waits, self.rtt_us or 1)

    def doubt_us(self, marks: Marks, attempts: int) -> int:
        """Return by how much a mark of a whole transfer may be late, at most.

        ``attempts``: how many connections were begun.
        """
        connect_us = self._connect_doubt_us
        if attempts == 1 and self.rtt_us is not None and not self._is_retransmitted:
            connect_us = marks.connected - self.rtt_us
        return max(0, connect_us, self._doubt_us, self._last_doubt_us)

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
            if not self.is_established:
                return waited_us
            self._waits.connected, waited_us = waited_us, 0
            self._stage = stage = _SECURING if self._is_tls else _WAITING
        if stage == _SECURING and self._getinfo(pycurl.APPCONNECT_TIME_T):
            self._stage, self._waits.secured = _WAITING, min(waited_us, self._quiet_us)
            waited_us = 0
        if self._getinfo(pycurl.STARTTRANSFER_TIME_T):
            self._stage, self._waits.first_byte = _RECEIVING, waited_us
        return min(waited_us, self._quiet_us)
