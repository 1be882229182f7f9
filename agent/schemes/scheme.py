"""What a scheme has to do: one exchange with a target whose addresses are known and permitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agent.content import Content
from agent.guard import Address
from agent.result import Exchange, Failure, Request
from vantage.url import Target

# ... and where a redirect leads, absolute; empty: nowhere.
Exchanged = tuple[Exchange, Failure | None, str]


class Scheme(Protocol):
    """Speaks the protocol of one or more URL schemes, any number of exchanges at once."""

    async def exchange(
        self,
        target: Target,
        addresses: Sequence[Address],
        dns_us: int | None,
        timeout_us: int,
        request: Request,
        content: Content | None,
    ) -> Exchanged:
        """Make one exchange within ``timeout_us``; a target's failure is returned, not raised.

        ``addresses``: those that the guard permits, at least one. ``dns_us``: what looking them up
        took; None: they were given. ``content``: keeps the answer; None: nobody needs it.
        """
