"""Takes out of a transfer's marks what the agent itself held it up. Pure.

libcurl stamps a mark when its code runs. When each event happened is known (agent.event), and so
how long it *waited* for its turn; the mark that it made is late by that much. An event is never
taken to have happened sooner than it did, so a correction takes away no more than the error.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.phases import Marks


@dataclass(slots=True)
class Waits:
    """How long the event that made each mark had been waiting, in microseconds; 0: not at all."""

    connected: int = 0
    secured: int = 0
    first_byte: int = 0
    total: int = 0


def unwaited(marks: Marks, waits: Waits, least_us: int = 1) -> Marks:
    """Return the marks of a whole transfer as they were, had every event been acted on at once.

    Until the request is sent the peer waits for us: what held up the connection or the handshake
    held up everything after it, and is taken out of every later mark. The response comes at its
    own pace: what held up its first byte or its last is taken out of that mark alone. Each wait is
    thus taken out of one phase, and the phases still sum exactly to the total.

    ``least_us``: no connection is made sooner. A handshake of several round trips (TLS 1.2) is
    corrected for its last event only. Nothing is answered before it is over, however long the
    thread was stopped between libcurl's mark and our own look at the clock.
    """
    connected = min(marks.connected, max(least_us, marks.connected - waits.connected))
    held = marks.connected - connected + waits.secured
    secured = marks.secured and max(connected, marks.secured - held)
    ready = secured or connected
    return Marks(
        connected=connected,
        secured=secured,
        sent=marks.sent - held,
        first_byte=marks.first_byte and max(ready, marks.first_byte - held - waits.first_byte),
        total=max(ready, marks.total - held - waits.total),
    )
