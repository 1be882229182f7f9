"""A campaign: faults in their lanes while results flow, then time to drain, then the verdict."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collector.postgres import Server
from tests.support.faults.history import Verdict, judge, undelivered
from tests.support.faults.injection import inject
from tests.support.faults.members import supervised
from tests.support.faults.schedule import Fault, plan
from tests.support.faults.system import Shape, System, running_system
from tests.support.processes import wait_until

DRAIN_AIM_S = 10.0
# Until what a load has made is durable.
LOAD_STOPS_S = 0.5

Progress = Callable[["Report"], None]


@dataclass
class Report:
    """``hit`` and ``missed``: faults by tier and kind. ``drain_s``: None: never.

    ``broken``: faults that could not be dealt. ``deaths``, ``tracebacks``: which process ended by
    itself, which logged an error of a bug.

    ``unspooled``: answered by the target, never durable; only a kill may do that, at most one a
    monitor.
    """

    hit: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    drain_s: float | None = None
    verdict: Verdict = field(default_factory=Verdict)
    broken: list[str] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    unspooled: int = 0
    unspooled_at_most: int = 0

    @property
    def problems(self) -> list[str]:
        found = [f"{count} {name}" for name, count in self.verdict.faults.items()]
        if self.drain_s is None:
            found.append("never drained")
        elif self.drain_s > DRAIN_AIM_S:
            found.append(f"drained {self.drain_s:.1f} s after the last fault")
        if self.unspooled > self.unspooled_at_most:
            found.append(f"{self.unspooled} measured and never durable")
        return [*found, *self.broken, *self.deaths, *self.tracebacks, *self.verdict.examples]


@dataclass(frozen=True)
class Campaign:
    """``lanes``: see schedule. ``seed``: of what the faults themselves choose at random.

    ``limit_s``: when it ends though faults are left, because nothing moves.
    """

    seed: int
    lanes: Mapping[str, Sequence[Fault]]
    shape: Shape
    limit_s: float
    drain_limit_s: float = 40.0

    @classmethod
    def random(
        cls,
        seed: int,
        *,
        faults: int,
        seconds: float,
        shape: Shape,
        only: Collection[str] = (),
    ) -> Campaign:
        """Make one that deals about ``faults`` faults in about ``seconds``; ``only``: of kinds."""
        lanes = plan(seed, faults, seconds, shape.agents, only)
        return cls(seed, lanes, shape, limit_s=2 * seconds + 20)

    def run(
        self, server: Server, directory: Path, progress: Progress = lambda report: None
    ) -> Report:
        report = Report()
        with running_system(server, directory, self.shape) as system:
            with supervised(system.members):
                wait_until(lambda: _flows(system), what="results of every agent")
                self._attack(system, report, progress)
                report.drain_s = _drain(system, self.drain_limit_s)
            _unload(system, self.drain_limit_s)
            for agent in system.agents:
                agent.member.program.stop()
            system.look()
            report.verdict = judge(system)
            report.deaths = [death for member in system.members for death in member.deaths]
            report.tracebacks = [
                f"{member.program.log.name} holds a traceback"
                for member in system.members
                if "Traceback" in member.program.said()
            ]
            self._count_unspooled(system, report)
        return report

    def _attack(self, system: System, report: Report, progress: Progress) -> None:
        began = time.monotonic()
        over = threading.Event()
        threads = [
            threading.Thread(target=self._lane, args=(system, lane, faults, over, report))
            for lane, faults in self.lanes.items()
        ]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                time.sleep(0.2)
                report.seconds = time.monotonic() - began
                if report.seconds > self.limit_s:
                    over.set()
                progress(report)
        finally:  # nothing is to be dealt to what is about to end
            over.set()
            for thread in threads:
                thread.join()

    def _lane(
        self,
        system: System,
        lane: str,
        faults: Sequence[Fault],
        over: threading.Event,
        report: Report,
    ) -> None:
        """Deal the faults of one lane; one that cannot be dealt is a problem, and not the end."""
        dice = random.Random(f"{self.seed} {lane}")
        tier = lane.partition(" ")[0]
        for fault in faults:
            if over.wait(fault.wait_s):
                return
            try:
                is_hit = inject(system, lane, fault, dice)
            except Exception as error:
                report.broken.append(f"{fault} of lane {lane}: {error!r}")
                continue
            (report.hit if is_hit else report.missed)[f"{tier} {fault.kind}"] += 1

    def _count_unspooled(self, system: System, report: Report) -> None:
        """What was made up was never measured: it must not hide what was measured and lost."""
        made_up = sum(agent.made_up for agent in system.agents)
        answered = system.target.answered.total()
        results = report.verdict.durable - report.verdict.gaps - report.verdict.loaded
        report.unspooled = answered - (results - made_up)
        kills = sum(agent.member.kills for agent in system.agents)
        report.unspooled_at_most = kills * self.shape.monitors


def _flows(system: System) -> bool:
    """Tell whether something of every agent is stored."""
    firsts = {
        agent.agent_id: dict.fromkeys(agent.witness.last_seqs(), 1) for agent in system.agents
    }
    return all(firsts.values()) and not undelivered(system, firsts)


def _unload(system: System, limit_s: float) -> None:
    """End the load, so that agents can deliver all of it before they are stopped."""
    if system.loaded:
        system.unload()
        time.sleep(LOAD_STOPS_S)
        _drain(system, limit_s)


def _drain(system: System, limit_s: float) -> float | None:
    """Return how long it took until all that was durable now is stored."""
    began = time.monotonic()
    system.look()
    wanted = {agent.agent_id: agent.witness.last_seqs() for agent in system.agents}
    while time.monotonic() - began < limit_s:
        if not undelivered(system, wanted):
            return time.monotonic() - began
        time.sleep(0.1)
    return None
