"""Monitors grouped by their tags: how each group stands, and which groups are open. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dashboard import words
from dashboard.rows.monitor import Watched

UNTAGGED = "UNTAGGED"
"""What the monitors without a tag go by in an address; a tag is in lower case."""

SHOWN_OF_A_GROUP = 10
FEW = 25
"""So many monitors are all shown, however well they are."""


@dataclass(frozen=True, slots=True)
class Group:
    """The monitors of one tag. ``state``: of the one that stands worst; ``troubled``: how many."""

    tag: str
    state: str
    number: int
    troubled: int

    @property
    def title(self) -> str:
        """As shown to people."""
        return "No tag" if self.tag == UNTAGGED else self.tag


def groups(monitors: Sequence[Watched], *, with_untagged: bool = False) -> list[Group]:
    """How the monitors of each tag stand, those with a problem first."""
    by_tag: dict[str, list[str]] = defaultdict(list)
    for monitor in monitors:
        for tag in of(monitor) if with_untagged else monitor.tags:
            by_tag[tag].append(monitor.state)
    found = [
        Group(tag, words.worst(own), len(own), sum(state in words.PROBLEMS for state in own))
        for tag, own in by_tag.items()
    ]
    return sorted(
        found,
        key=lambda group: (
            words.SEVERITY.index(group.state),
            group.tag == UNTAGGED,
            words.order(group.tag),
        ),
    )


def of(monitor: Watched) -> Sequence[str]:
    """The groups that a monitor is in."""
    return monitor.tags or [UNTAGGED]


def opened(asked: Sequence[str], known: Sequence[Group]) -> frozenset[str]:
    """Which groups are open. ``asked``: as the address says it, which says nothing when empty:
    then all of a few monitors, else those with a problem."""
    if asked:
        return frozenset(asked)
    is_few = sum(group.number for group in known) <= FEW
    return frozenset(group.tag for group in known if is_few or group.troubled)


def members(monitors: Sequence[Watched], open_tags: Collection[str]) -> list[Watched]:
    """The monitors that open groups show, each once: the first few of every group."""
    shown: dict[int, Watched] = {}
    numbers: dict[str, int] = defaultdict(int)
    for monitor in monitors:
        for tag in of(monitor):
            numbers[tag] += 1
            if tag in open_tags and numbers[tag] <= SHOWN_OF_A_GROUP:
                shown[monitor.id] = monitor
    return list(shown.values())


def toggled(tag: str, open_tags: Collection[str]) -> list[str]:
    """What the address says once the group is opened or closed; the first says nothing, so that
    it is never empty."""
    return ["", *sorted({*open_tags, ""} ^ {tag, ""})]
