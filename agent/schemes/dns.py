"""dns: one question to one name server; agent.schemes.question asks it."""

from __future__ import annotations

from collections.abc import Sequence

from agent.content import Content
from agent.guard import Address
from agent.result import Request
from agent.schemes.scheme import Exchanged
from vantage.url import Target


class Dns:
    """Asks name servers. ``source_address``: where from; None: the kernel's choice."""

    def __init__(self, source_address: str | None) -> None:
        self._source = source_address

    async def exchange(
        self,
        target: Target,
        addresses: Sequence[Address],
        dns_us: int | None,
        timeout_us: int,
        request: Request,
        content: Content | None,
    ) -> Exchanged:
        # It needs dnspython, whose 5 MB few agents have a use for.
        from agent.schemes.question import ask_in_turn

        return await ask_in_turn(target, addresses, dns_us, timeout_us, content, self._source)
