"""How each kind of fault is done to a running system. Each returns whether it hit something."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from agent.segment import Segment
from tests.support.collector import exchange, result
from tests.support.faults.proxy import Link, Way
from tests.support.faults.schedule import Fault
from tests.support.faults.system import TMPFS_BYTES, Agent, System, resize
from tests.support.processes import has_ended, wait_until
from vantage.v1 import result_pb2

AFTER_FULL_S = 10
UNKNOWN_MONITOR = 2**31 - 1
# How old a connection is when a fault strikes: in the handshake, at the hello, delivering.
AGES_S = (0.0, 0.05, 0.1, 0.2, 0.3)

NETWORK: dict[str, Callable[[Link, float], bool]] = {
    "cut": lambda link, _: link.cut(),
    "cut_within_batch": lambda link, _: link.cut_within(Way.UP),
    "cut_within_answer": lambda link, _: link.cut_within(Way.DOWN),
    "cut_before_batch": lambda link, _: link.cut_before(Way.UP),
    "cut_before_answer": lambda link, _: link.cut_before(Way.DOWN),
    "half_close_up": lambda link, _: link.half_close(Way.UP),
    "half_close_down": lambda link, _: link.half_close(Way.DOWN),
    "corrupt_up": lambda link, _: link.corrupt(Way.UP),
    "corrupt_down": lambda link, _: link.corrupt(Way.DOWN),
    "stall": lambda link, length_s: link.stall(length_s),
    "stall_long": lambda link, length_s: link.stall(length_s),
    "slow": lambda link, length_s: link.slow(length_s),
    "refuse": lambda link, length_s: link.refuse(length_s),
}


def inject(system: System, lane: str, fault: Fault, dice: random.Random) -> bool:
    """Do ``fault`` to what ``lane`` is about."""
    tier, _, number = lane.partition(" ")
    match tier:
        case "network":
            return network(system, system.agents[int(number)].link, fault, dice)
        case "agent":
            return on_agent(system, system.agents[int(number)], fault, dice)
        case "collector":
            return on_collector(system, dice.choice([*system.collectors]), fault)
        case _:
            kill = fault.kind == "kill"
            return (system.database.crash if kill else system.database.freeze)(fault.length_s)


def network(system: System, link: Link, fault: Fault, dice: random.Random) -> bool:
    link.wait_used(for_s=dice.choice(AGES_S))
    if fault.kind == "swap":
        return link.swap(system.other(link.target))
    return NETWORK[fault.kind](link, fault.length_s)


def on_agent(system: System, agent: Agent, fault: Fault, dice: random.Random) -> bool:
    match fault.kind:
        case "kill":
            return agent.member.crash(fault.length_s)
        case "kill_with_collector":
            return kill_with_collector(system, agent, fault.length_s)
        case "poison":
            return agent.member.crash(0, lambda: poison(agent, system.monitors, dice))
        case "full_disk":
            return fill_disk(agent, fault.length_s)
        case "full_disk_long":
            return fill_disk_for_long(agent, fault.length_s)
        case "clock_step":
            return step_clock(agent, dice)
        case _:
            return agent.member.freeze(fault.length_s)


def kill_with_collector(system: System, agent: Agent, after_s: float) -> bool:
    """Kill an agent; then its collector, when the agent delivers what it had left behind."""
    with agent.member.busy:
        agent.member.crash(0)
        deadline = time.monotonic() + 5
        while not agent.link.is_used() and time.monotonic() < deadline:
            time.sleep(0.02)
    time.sleep(after_s)
    return system.collectors[agent.link.target].crash(0.2)


def on_collector(system: System, port: int, fault: Fault) -> bool:
    member = system.collectors[port]
    if fault.kind == "kill":
        return member.crash(fault.length_s)
    if fault.kind == "freeze":
        return member.freeze(fault.length_s)

    def lead_away() -> None:
        for agent in system.agents:
            if agent.link.target == port:
                agent.link.swap(system.other(port))

    return member.freeze(fault.length_s, lead_away)


def fill_disk(agent: Agent, length_s: float) -> bool:
    """Leave no free block; then wait until the agent writes again what it kept in memory.

    It may have been killed a moment before: how long a start takes is the machine's affair.
    """
    if agent.disk is None:
        return False
    program = agent.member.program
    with agent.member.busy:
        shrink(agent.disk)
        time.sleep(length_s)
        resize(agent.disk, TMPFS_BYTES)
        wait_until(
            lambda: "agent_started" in program.said_since_start() or has_ended(program),
            what="an agent that was started before its disk was full",
        )
        size_before, deadline = written(agent), time.monotonic() + AFTER_FULL_S
        while written(agent) == size_before:
            assert not has_ended(program), "a full disk ended the agent"
            assert time.monotonic() < deadline, "after a full disk the agent wrote nothing again"
            time.sleep(0.05)
    return True


def shrink(disk: Path) -> None:
    """Make a disk as small as what is on it; where the agent wrote more meanwhile, once again."""
    for attempts_left in reversed(range(10)):
        usage = os.statvfs(disk)
        try:
            resize(disk, (usage.f_blocks - usage.f_bfree) * usage.f_frsize)
        except subprocess.CalledProcessError:
            if not attempts_left:
                raise
        else:
            return


def fill_disk_for_long(agent: Agent, length_s: float) -> bool:
    """The same, while nothing can be delivered: undelivered results are dropped."""
    refusing = threading.Thread(target=agent.link.refuse, args=(length_s,))
    refusing.start()
    hit = fill_disk(agent, length_s)
    refusing.join()
    return hit


def step_clock(agent: Agent, dice: random.Random) -> bool:
    """Set the agent's wall clock an hour forward or back, or right again."""
    text = agent.clock.read_text() if agent.clock.exists() else "0"
    ahead_s = dice.choice([step for step in (-3_600, 0, 3_600) if step != int(text) // 1_000_000])
    agent.clock.write_text(str(ahead_s * 1_000_000))
    return True


def written(agent: Agent) -> int:
    total = 0
    for folder, _, names in os.walk(agent.witness.directory):  # passes over what vanishes meanwhile
        for name in names:
            if name.endswith(".seg"):
                with contextlib.suppress(FileNotFoundError):
                    total += Path(folder, name).stat().st_size
    return total


def poison(agent: Agent, monitors: list[int], dice: random.Random) -> None:
    """Leave an incarnation in the spool as a mad agent would: bad results among sound ones."""
    sound = [result(dice.choice(monitors), dice.randrange(3_600)) for _ in range(20)]
    bad = [
        b"\xff" * dice.randint(1, 50),
        result(dice.choice(monitors), 1, total_us=7),
        result(dice.choice(monitors), 1, slot_at_us=2**62),
        result(dice.choice(monitors), 1, slot_at_us=-1),
        result(dice.choice(monitors), 1, outcome=result_pb2.OUTCOME_UNSPECIFIED),
        result(dice.choice(monitors), 1, exchanges=[]),
        result(UNKNOWN_MONITOR, 1),
        result(
            dice.choice(monitors), 1, exchanges=[exchange(target_port=-1, http_status=2**31 - 1)]
        ),
    ]
    payloads = [*sound, *bad]
    dice.shuffle(payloads)
    agent.poison.update(bad)
    agent.made_up += len(payloads)
    orders = [int(place.name[:10]) for place in agent.spool.glob("*-*")]
    identity = dice.randbytes(16)
    place = agent.spool / f"{max(orders, default=0) + 1:010d}-{identity.hex()}"
    place.mkdir()
    segment = Segment.create(place, identity, 1)
    segment.append(payloads, os.fdatasync)
    segment.close()
