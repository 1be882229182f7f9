"""Which faults, when: drawn from a seed, so that a campaign can be run again.

Faults come in lanes that run side by side: one for each agent's network, one for each agent's
process, one for the collectors, one for the database. In a lane one follows the other.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

# Longer than the agent waits for an acknowledgement, the collector for a connection of its pool,
# gRPC for the answer to a ping.
LONG_S = (16.0, 18.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """``lengths_s``: the shortest and the longest it lasts. ``weight``: its share of its tier.

    ``least_s``: a shorter campaign does without it.
    """

    name: str
    weight: int
    lengths_s: tuple[float, float] = (0.0, 0.0)
    least_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """``wait_s``: how long after the lane's last one."""

    kind: str
    wait_s: float
    length_s: float


@dataclass(frozen=True, slots=True)
class Tier:
    """What may happen to one sort of thing. ``share``: of all faults, in thousandths."""

    name: str
    share: int
    kinds: tuple[Kind, ...]


TIERS = (
    Tier(
        "network",
        860,
        (
            Kind("cut", 12),
            Kind("cut_within_batch", 12),
            Kind("cut_within_answer", 8),
            Kind("cut_before_batch", 8),
            Kind("cut_before_answer", 14),
            Kind("half_close_up", 6),
            Kind("half_close_down", 6),
            Kind("corrupt_up", 6),
            Kind("corrupt_down", 6),
            Kind("stall", 10, (0.1, 1.0)),
            Kind("slow", 6, (0.2, 1.0)),
            Kind("refuse", 4, (0.1, 0.6)),
            Kind("swap", 12),
            Kind("stall_long", 0, LONG_S),
        ),
    ),
    Tier(
        "agent",
        75,
        (
            Kind("kill", 6, (0.0, 0.5)),
            Kind("kill_with_collector", 4, (0.2, 1.5)),
            Kind("freeze", 4, (0.2, 2.0)),
            Kind("poison", 4),
            Kind("full_disk", 4, (1.5, 3.0)),
            Kind("clock_step", 4),
            Kind("freeze_long", 0, LONG_S),
            Kind("full_disk_long", 0, (6.5, 7.5)),
        ),
    ),
    Tier(
        "collector",
        40,
        (
            Kind("kill", 6, (0.0, 0.5)),
            Kind("freeze", 3, (0.2, 2.0)),
            Kind("freeze_and_swap", 4, (0.5, 3.0)),
            Kind("freeze_and_swap_long", 0, LONG_S),
        ),
    ),
    Tier(
        "database",
        25,
        (
            Kind("kill", 3, (0.0, 1.0)),
            Kind("freeze", 3, (0.2, 2.0)),
            Kind("freeze_long", 0, LONG_S, least_s=100),  # nothing moves meanwhile
        ),
    ),
)

# What a fault takes beside its length: the agent connects again.
NOMINAL_S = 0.4


KINDS = sorted({kind.name for tier in TIERS for kind in tier.kinds})


def plan(
    seed: int, faults: int, seconds: float, agents: int, only: Collection[str] = ()
) -> dict[str, list[Fault]]:
    """Deal about ``faults`` faults to lanes, to be over in about ``seconds``.

    ``only``: names of kinds, of which each is then as likely as any other; none: all.
    """
    dice = random.Random(seed)
    lanes: dict[str, list[Fault]] = {}
    tiers = _restricted(only) if only else TIERS
    all_shares = sum(tier.share for tier in tiers)
    for tier in tiers:
        names = (
            [f"{tier.name} {number}" for number in range(agents)]
            if tier.name in ("network", "agent")
            else [tier.name]
        )
        lengths: dict[str, list[tuple[str, float]]] = {name: [] for name in names}
        for kind in _deal(dice, tier, round(faults * tier.share / all_shares), seconds):
            idlest = min(lengths.values(), key=lambda lane: sum(NOMINAL_S + s for _, s in lane))
            idlest.append((kind.name, dice.uniform(*kind.lengths_s)))
        lanes |= {name: _spread(dice, lane, seconds) for name, lane in lengths.items()}
    return lanes


def _restricted(only: Collection[str]) -> list[Tier]:
    """Return the tiers that have any of these kinds, each with those alone."""
    found = []
    for tier in TIERS:
        kinds = [replace(kind, weight=1) for kind in tier.kinds if kind.name in only]
        if kinds:
            found.append(Tier(tier.name, tier.share, tuple(kinds)))
    return found


def _deal(dice: random.Random, tier: Tier, count: int, seconds: float) -> list[Kind]:
    """Every kind at least once, the others by weight, in random order."""
    known = [kind for kind in tier.kinds if kind.least_s <= seconds]
    kinds = known[:count]
    weights = [kind.weight for kind in known]
    kinds += dice.choices(known, weights, k=count - len(kinds))
    dice.shuffle(kinds)
    return kinds


def _spread(dice: random.Random, lane: Sequence[tuple[str, float]], seconds: float) -> list[Fault]:
    """Put random pauses between a lane's faults."""
    pauses = [dice.expovariate(1) + 0.05 for _ in lane]
    busy_s = sum(NOMINAL_S + length_s for _, length_s in lane)
    scale = max(0.0, seconds - busy_s) / max(sum(pauses), 1e-9)
    return [
        Fault(kind, pause * scale, length_s)
        for (kind, length_s), pause in zip(lane, pauses, strict=True)
    ]
