"""One monitor measured over IPv4 and IPv6 in the same slot: which run the result is about. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from agent.content import Content
from agent.result import Exchange, Failure, Outcome, Request, Role

_GRAVITY = list(Outcome)


@dataclass(slots=True)
class Run:
    """The exchanges of one family, up to the first that is no redirect, and what they came to.

    ``request``: as it was made last, without what a redirect left behind. ``outcome`` stands once
    it is judged. ``resources``: of a page; ``is_cut``: there are more than
    may be fetched.
    """

    exchanges: list[Exchange]
    redirect_us: int
    failure: Failure | None
    content: Content
    request: Request
    outcome: Outcome = Outcome.DOWN
    resources: list[Exchange] = field(default_factory=list)
    resources_us: int | None = None
    is_cut: bool = False

    @property
    def total_us(self) -> int:
        """The whole, redirects and resources included."""
        return self.redirect_us + self.exchanges[-1].total_us + (self.resources_us or 0)


def paired(one: Run, other: Run) -> Run:
    """Return the run that decides, the graver or else the slower, with the other's exchanges.

    Those come first, as pairs; the last of them tells the outcome of its run.
    """
    lesser, decisive = sorted((one, other), key=_weight)
    pairs = [replace(each, role=Role.PAIR) for each in lesser.exchanges]
    pairs[-1] = replace(pairs[-1], outcome=lesser.outcome, failure=lesser.failure)
    return replace(decisive, exchanges=pairs + decisive.exchanges)


def _weight(run: Run) -> tuple[int, int]:
    return _GRAVITY.index(run.outcome), run.total_us
