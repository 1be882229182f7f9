"""libcurl's marks -> Phases. Pure.

Source: curl_easy_getinfo(3), the ``*_TIME_T`` infos; measured in
tests/integration/agent/test_phases.py.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from agent.result import Phases


@dataclass(slots=True)
class Marks:
    """When each step of a transfer was done, in microseconds since the transfer began.

    0: never. Marks after the step that failed hold placeholders. libcurl's own name lookup mark
    is not among them: it is handed addresses, so what it spends before connecting is part of
    connecting.
    """

    connected: int
    secured: int
    sent: int
    first_byte: int
    total: int

    def since(self, us: int) -> Marks:
        """Return the same counted from ``us`` later on; what was reached stays so."""
        return Marks(*(max(mark - us, 1) if mark else 0 for mark in astuple(self)))


def phases(marks: Marks, *, dns_us: int | None, is_tls: bool, is_reused: bool = False) -> Phases:
    """Split a transfer's cumulative marks into the durations of its phases.

    The first mark that is zero ends the split: its phase takes the rest, the later ones are None.
    The phases sum to ``dns_us`` (None counting as 0) + ``marks.total``, exactly. A step seen done
    before the one it follows (an answer to a request not yet wholly sent) took no time.
    ``is_reused``: the connection was there already, so connect and tls are None.
    """
    steps: tuple[int, ...]
    if is_reused:
        steps = (marks.sent, marks.first_byte)
    elif is_tls:
        steps = (marks.connected, marks.secured, marks.sent, marks.first_byte)
    else:
        steps = (marks.connected, marks.sent, marks.first_byte)
    spent: list[int] = []
    reached = 0
    for mark in steps:
        if mark == 0:
            break
        mark = min(max(mark, reached), marks.total)
        spent.append(mark - reached)
        reached = mark
    spent.append(marks.total - reached)
    if is_reused:
        return Phases(dns_us, None, None, *spent)
    if is_tls:
        return Phases(dns_us, *spent)
    return Phases(dns_us, spent[0], None, *spent[1:])


def connection_phases(marks: Marks, *, dns_us: int | None, is_tls: bool) -> Phases:
    """Split a transfer that makes a connection and no more; its last step takes the rest."""
    if not is_tls or marks.connected == 0:
        return Phases(dns_us=dns_us, connect_us=marks.total)
    connected = min(marks.connected, marks.total)
    return Phases(dns_us=dns_us, connect_us=connected, tls_us=marks.total - connected)


def last_phase(split: Phases) -> str:
    """Name the phase a failed exchange failed in: "dns", ... "receive"; empty: it never began."""
    for name in ("receive", "wait", "send", "tls", "connect", "dns"):
        if getattr(split, f"{name}_us") is not None:
            return name
    return ""
