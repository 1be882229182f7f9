"""How wrong each phase is, against what was on the wire.

    python -m bench.accuracy [--seconds S] [--scheme http|https] [--json]

A link with a known delay in a network namespace of its own (tests/support/delaylink.py), a server
behind it that holds its answers (bench/distant.py), and a capture of every packet, stamped by the
kernel (bench/capture.py). The error of a phase is what a tool says it took less what it took on
the wire of the tool's own machine: of tls, that includes what the client computes. Each load is put
on the agent, on the agent with libcurl's marks as they are, and, where it is installed, on
prometheus-blackbox-exporter; each with a processor of its own, starts evenly spread.

A result is *wrong* when a phase is wrong by more than its stated bound; docs/accuracy.md. The last
loads share the processor with another busy program.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from unittest import mock

import uvloop
from dns.rdatatype import RdataType

from agent import log, timing
from agent.dns_message import Question
from agent.lag import bound_us
from agent.phases import Marks
from agent.probe import Prober
from agent.readiness import Waits
from agent.resolver import Resolver
from agent.result import Monitor
from bench.capture import DOMAIN, Capture, Truth
from bench.exporter import Exporter, running_exporter
from bench.table import conditions, show
from bench.target import cores, pinned
from tests.support import delaylink
from tests.support.certificates import TestAuthority
from tests.support.delaylink import HERE, THERE
from vantage.url import target_of

PROBING, SERVING = cores()
ONE_WAY_S = 0.010
PHASES = ("dns", "connect", "tls", "wait", "receive")
HEADINGS = (
    "load", "by", "probes", "busy", "rtt", *PHASES,
    "wrong", "of them suspect", "of the good suspect",
)  # fmt: skip
_FIRST = 9_999_999
_METRIC = re.compile(r'^probe_http_duration_seconds\{phase="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """So many probes a second, each of which takes so long; ``hogs``: busy programs beside them."""

    scheme: str
    rate: float
    hold_s: float
    hogs: int = 0

    @property
    def name(self) -> str:
        in_flight = max(1, round(self.rate * (self.hold_s + 0.1)))
        beside = ", contended" if self.hogs else ""
        return f"{self.scheme} {in_flight:,} ({self.rate:g}/s{beside})"


LOADS = (
    Load("http", 5, 0.1),
    Load("http", 400, 0.15),
    Load("http", 400, 2.4),
    Load("http", 800, 0.5),
    Load("http", 100, 0.4, hogs=1),
    Load("https", 5, 0.1),
    Load("https", 200, 0.4),
    Load("https", 200, 4.9),
    Load("https", 400, 0.5),
    Load("https", 60, 0.4, hogs=1),
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a tool says of one probe, in microseconds."""

    phases: dict[str, float | None]
    rtt: int | None = None
    suspect: bool | None = None
    lag: int | None = None
    bound: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where the servers are, and whom to trust."""

    dns: int
    http: int
    https: int
    authority: Path

    def port(self, scheme: str) -> int:
        return self.http if scheme == "http" else self.https


def main() -> None:
    options = _options()
    if not options.inside:
        program = [sys.executable, "-m", "bench.accuracy", *sys.argv[1:], "--inside"]
        sys.exit(subprocess.run(delaylink.argv(ONE_WAY_S, program), check=False).returncode)
    log.configure("error")
    beside = conditions()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        authority = TestAuthority(Path(name))
        with running_exporter(Path(name), authority.path, PROBING) as exporter:
            for load in LOADS:
                if options.scheme in (load.scheme, None):
                    rows += _measured(load, authority, exporter, options)
    if options.json:
        found = [dict(zip(HEADINGS, row, strict=True)) for row in rows]
        print(json.dumps({"beside": beside, "rows": found}))
        return
    show(f"Error in us, p50 / p99 of its size: {beside}", HEADINGS, rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each run")
    parser.add_argument("--scheme", choices=("http", "https"), help="only these loads")
    parser.add_argument("--only", default="", help="only tools whose name begins so")
    parser.add_argument("--load", default="", help="only loads whose name holds this")
    parser.add_argument("--explain", action="store_true", help="tell of each misjudged result")
    parser.add_argument("--json", action="store_true", help="print JSON, and no table")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measured(
    load: Load, authority: TestAuthority, exporter: Exporter | None, options: argparse.Namespace
) -> list[tuple[object, ...]]:
    if options.load not in load.name:
        return []
    rows = []
    tools: dict[str, Callable[[Load, Place, float], tuple[dict[int, Told], float]]] = {
        "agent": _by_agent,
        "libcurl's marks": _as_stamped,
    }
    if exporter is not None:
        tools["blackbox_exporter"] = lambda *each: _by_exporter(exporter, *each)
    for name, tool in tools.items():
        if not name.startswith(options.only):
            continue
        with _serving(load, authority) as place, _contended(load.hogs, exporter):
            capture = Capture("near")
            told, busy = tool(load, place, options.seconds)
            truths = capture.truths(
                place.port(load.scheme), place.dns, is_tls=load.scheme == "https"
            )
        if options.explain:
            _explain(told, truths)
        rows.append(_row(load, name, told, truths, busy))
    return rows


def _row(
    load: Load, name: str, told: dict[int, Told], truths: dict[int, Truth], busy: float
) -> tuple[object, ...]:
    both = [(told[number], truth) for number, truth in truths.items() if number in told]
    if len(both) < 0.8 * len(told):
        raise SystemExit(f"{load.name}, {name}: {len(both)} of {len(told)} probes were captured.")
    errors: dict[str, list[float]] = {"rtt": [], **{phase: [] for phase in PHASES}}
    wrong: list[bool | None] = []
    good: list[bool | None] = []
    for tool, truth in both:
        worst = 0.0
        for phase in PHASES:
            said, was = tool.phases.get(phase), getattr(truth, phase)
            if said is not None and was is not None:
                errors[phase].append(said - was)
                worst = max(worst, abs(said - was))
        if tool.rtt is not None:
            errors["rtt"].append(tool.rtt - truth.connect)
        (wrong if worst > tool.bound else good).append(tool.suspect)
    return (
        load.name, name, len(both), f"{busy:.2f}", *(_spread(each) for each in errors.values()),
        len(wrong) if wrong[0:1] != [None] and good[0:1] != [None] else None,
        _share(wrong), _share(good),
    )  # fmt: skip


def _explain(told: dict[int, Told], truths: dict[int, Truth]) -> None:
    """Tell of each result that is wrong and not suspect, or suspect and not wrong."""
    for number in told.keys() & truths.keys():
        tool, truth = told[number], truths[number]
        errors = {
            phase: said - was
            for phase in PHASES
            if (said := tool.phases.get(phase)) is not None
            and (was := getattr(truth, phase)) is not None
        }
        is_wrong = max(map(abs, errors.values())) > tool.bound
        if tool.suspect is not None and is_wrong != tool.suspect:
            off = ", ".join(f"{phase} {error:,.0f}" for phase, error in errors.items())
            print(
                f"p{number}: {'suspect' if tool.suspect else 'not suspect'}, errors {off}; "
                f"lag {tool.lag:,}, bound {tool.bound:,.0f}",
                file=sys.stderr,
            )


def _share(flags: list[bool | None]) -> str | None:
    known = [each for each in flags if each is not None]
    return f"{100 * sum(known) / len(known):.1f} %" if known else None


def _spread(errors: list[float]) -> str | None:
    if not errors:
        return None
    middle = sorted(errors)[len(errors) // 2]
    largest = sorted(map(abs, errors))[int(0.99 * len(errors))]
    return f"{middle:,.0f} / {largest:,.0f}"


def _as_stamped(load: Load, place: Place, seconds: float) -> tuple[dict[int, Told], float]:
    def as_it_is(marks: Marks, _waits: Waits, _least_us: int) -> Marks:
        return marks

    with mock.patch.object(timing, "unwaited", as_it_is):
        told, busy = _by_agent(load, place, seconds)
    # Whether it is suspect is said of the marks that it corrects.
    return {number: replace(each, suspect=None) for number, each in told.items()}, busy


def _by_agent(load: Load, place: Place, seconds: float) -> tuple[dict[int, Told], float]:
    return uvloop.run(_probe(load, place, seconds))


async def _probe(load: Load, place: Place, seconds: float) -> tuple[dict[int, Told], float]:
    told: dict[int, Told] = {}
    prober = Prober(
        allow_networks=[ip_network(f"{THERE}/32")],
        trust_ca=place.authority,
        resolver=Resolver(servers=[(THERE, place.dns)]),
    )

    async def one(number: int) -> None:
        result = await prober.probe(Monitor(1, _url(load, place, number)))
        if result.failure is not None:
            raise SystemExit(f"A probe failed: {result.failure}.")
        (exchange,) = result.exchanges
        spent = {phase: getattr(exchange.phases, f"{phase}_us") for phase in PHASES}
        told[number] = Told(
            spent, exchange.rtt_us, result.suspect, result.lag_us, bound_us(result.total_us)
        )

    # The first reads the authorities and makes the first handle; and what an agent remembers of
    # a monitor from one probe to the next, it remembers here too.
    await one(_FIRST)
    for number in range(_count(load.rate, seconds)):
        target = target_of(_url(load, place, number))
        for kind in (RdataType.A, RdataType.AAAA):
            Question(target.host, kind)
    busy = await _evenly(load.rate, seconds, one)
    await prober.close()
    del told[_FIRST]
    return told, busy


async def _evenly(
    rate: float,
    seconds: float,
    start: Callable[[int], Awaitable[None]],
    cpu_s: Callable[[], float] = time.process_time,
) -> float:
    """Start so many a second; return how busy a process was meanwhile."""
    running: set[asyncio.Future[None]] = set()

    def ended(probe: asyncio.Future[None]) -> None:
        if not probe.exception():
            running.discard(probe)

    began, cpu = time.monotonic(), cpu_s()
    for number in range(_count(rate, seconds)):
        await asyncio.sleep(began + number / rate - time.monotonic())
        running.add(task := asyncio.ensure_future(start(number)))
        task.add_done_callback(ended)
    busy = (cpu_s() - cpu) / (time.monotonic() - began)
    await asyncio.gather(*running)
    return busy


def _count(rate: float, seconds: float) -> int:
    return max(20, round(seconds * rate))


def _url(load: Load, place: Place, number: int) -> str:
    return f"{load.scheme}://p{number}.{DOMAIN}:{place.port(load.scheme)}/"


def _by_exporter(
    exporter: Exporter, load: Load, place: Place, seconds: float
) -> tuple[dict[int, Told], float]:
    """Have the exporter probe the address; it is told the name, so it looks nothing up."""
    told: dict[int, Told] = {}

    async def one(number: int) -> None:
        target = f"{load.scheme}://{THERE}:{place.port(load.scheme)}/"
        ask = exporter.asking(target, f"p{number}.{DOMAIN}")
        reader, writer = await asyncio.open_connection("127.0.0.1", exporter.port)
        writer.write(f"GET {ask} HTTP/1.0\r\n\r\n".encode())
        text = (await reader.read()).decode()
        writer.close()
        if "probe_success 1" not in text:
            raise SystemExit(f"The exporter's probe {number} failed.")
        spent = {phase: 1e6 * float(value) for phase, value in _METRIC.findall(text)}
        named = {"connect": "connect", "tls": "tls", "processing": "wait", "transfer": "receive"}
        told[number] = Told(
            {
                mine: spent[theirs]
                for theirs, mine in named.items()
                if (mine, load.scheme) != ("tls", "http")
            }
        )

    os.sched_setaffinity(0, {SERVING})
    try:
        busy = asyncio.run(_evenly(load.rate, seconds, one, exporter.cpu_s))
    finally:
        os.sched_setaffinity(0, {PROBING})
    return told, busy


@contextmanager
def _serving(load: Load, authority: TestAuthority) -> Iterator[Place]:
    leaf = authority.issue(f"*.{DOMAIN}")
    program = [sys.executable, "-m", "bench.distant", HERE]
    program += [str(leaf.certificate), str(leaf.key), str(load.hold_s)]
    server = subprocess.Popen(pinned(SERVING, program), stdout=subprocess.PIPE, text=True)
    try:
        os.sched_setaffinity(int(os.environ[delaylink.REFLECTOR]), {SERVING})
        os.sched_setaffinity(0, {PROBING})
        assert server.stdout is not None
        dns, http, https = map(int, server.stdout.readline().split())
        yield Place(dns, http, https, authority.path)
    finally:
        server.terminate()
        server.wait()


@contextmanager
def _contended(hogs: int, exporter: Exporter | None) -> Iterator[None]:
    """Share the processor with busy programs, on equal terms; without any, go before all others."""
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    probing = [0, *(exporter.threads() if exporter else ())]
    for thread in probing if hogs else ():
        os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
    program = [sys.executable, "-c", "while True: sum(range(100000))"]
    running = [subprocess.Popen(pinned(PROBING, program)) for _ in range(hogs)]
    try:
        yield
    finally:
        for hog in running:
            hog.kill()
            hog.wait()
        for thread in probing if hogs else ():
            os.sched_setscheduler(thread, policy, priority)


if __name__ == "__main__":
    main()
