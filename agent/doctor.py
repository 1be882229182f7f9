"""Whether this machine is fit to be an agent: a line for each thing, with what to do about it.

Changes nothing, here or at the centre; works before and after joining, beside a running agent.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import shutil
import socket
import stat
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import grpc.aio

from agent.address import parse_address
from agent.channel import explain, open_channel
from agent.clock import ClockComparison, Reading
from agent.enrolment import served_certificates
from agent.errors import AgentError
from agent.failure import Code
from agent.home import Credentials, Home, home_argument
from agent.resolver import LookupFailed, Resolver, has_route
from vantage.url import is_address
from vantage.v1 import clock_pb2, clock_pb2_grpc

CLOCK_BOUND_US = 1_000_000
SPACE_BYTES = 1 << 30
SLOW_SYNC_S = 0.1
BUSY_LATE_S = 0.02
TIMEOUT_S = 10.0
# RFC 6761: never exists.
_NOBODY = "vantage.invalid"
_UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex(2)


class Status(StrEnum):
    """How bad it is: a warning is for something that the agent does without."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. ``remedy``: what to do; empty where nothing is to be done."""

    about: str
    status: Status
    found: str
    remedy: str = ""


async def examine(home: Path, collector: str | None) -> list[Finding]:
    """Look at everything. ``collector``: host:port to try instead of the one learnt on joining."""
    findings: list[Finding] = []
    identity, credentials = None, None
    if (home / "agent.json").exists():
        try:
            directory = Home(home)
            identity, credentials = directory.identity(), directory.credentials()
        except AgentError as error:
            findings.append(Finding("identity", Status.PROBLEM, str(error)))
    else:
        where = home_argument(home)
        remedy = f"At the centre: vantage agent token. Here: vantage-agent join{where} TOKEN"
        findings.append(Finding("identity", Status.WARNING, "Not joined yet.", remedy))
    if identity is not None:
        told = f"Agent {identity.agent_id} at location {identity.location}."
        findings.append(Finding("identity", Status.OK, told))
        findings.append(_certificate(home))
    address = collector or (identity.collector if identity else None)
    findings.append(await _dns(address))
    findings += await _collector(address, credentials)
    findings += [_synchronised(), _disk(home), _ipv6(), _ping(), await _cpu()]
    return findings


def _certificate(home: Path) -> Finding:
    try:
        identity = Home(home).valid_identity(time.time())
    except AgentError as error:
        return Finding("certificate", Status.PROBLEM, str(error))
    mode = stat.S_IMODE((home / "agent.key").stat().st_mode)
    if mode & 0o077:
        told = f"Others may read agent.key (mode {mode:o})."
        return Finding("certificate", Status.PROBLEM, told, f"chmod 600 {home}/agent.key")
    left_days = (identity.certificate_expires_at_s - time.time()) / 86_400
    told = f"Valid for {left_days:.1f} days more."
    if time.time() > identity.renewal_at_s + 3600:
        remedy = "A running agent renews it by itself: start it, and read its log."
        return Finding("certificate", Status.WARNING, f"{told} Its renewal is overdue.", remedy)
    return Finding("certificate", Status.OK, told)


async def _dns(collector: str | None) -> Finding:
    """Look the collector's name up; without one, a name that does not exist: an answer will do."""
    name = parse_address(collector, "The collector's address")[0] if collector else _NOBODY
    if is_address(name.strip("[]")):
        name = _NOBODY
    began_s = time.monotonic()
    remedy = "Put a name server that answers into /etc/resolv.conf."
    try:
        answer = await Resolver().resolve(name, timeout_s=TIMEOUT_S)
        told = f"{name} is {', '.join(map(str, answer.addresses))}"
    except LookupFailed as error:
        if name != _NOBODY or error.failure.code != Code.DNS_NXDOMAIN:
            told = f"{name} cannot be looked up: {error.failure.detail or error.failure.code}."
            return Finding("dns", Status.PROBLEM, told, remedy)
        told = "The name server answers"
    elapsed_s = time.monotonic() - began_s
    status = Status.WARNING if elapsed_s > 1 else Status.OK
    told += f", after {elapsed_s * 1000:.0f} ms."
    return Finding("dns", status, told, remedy if status is Status.WARNING else "")


async def _collector(address: str | None, credentials: Credentials | None) -> list[Finding]:
    """Shake hands as the agent would, and hold the clocks against each other."""
    if address is None:
        told = "Unknown before joining."
        remedy = "Name it: --collector HOST:7444, as `vantage agent token` prints it."
        return [Finding("collector", Status.WARNING, told, remedy)]
    try:
        if credentials is None:
            # Not to be trusted, and told nothing: this only shows that it is there.
            chain = await asyncio.to_thread(served_certificates, address)
            credentials = Credentials(b"".join(chain))
        began_s = time.monotonic()
        async with open_channel(address, credentials) as channel:
            reading = await _compare_clocks(channel)
    except grpc.aio.AioRpcError as error:
        remedy = "Check the address, and that this machine may open connections to its port."
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            remedy = "Update the collector: it is older than this agent."
        return [Finding("collector", Status.PROBLEM, str(explain(error, address)), remedy)]
    except AgentError as error:
        return [Finding("collector", Status.PROBLEM, str(error))]
    elapsed_ms = (time.monotonic() - began_s) * 1000
    told = f"{address} answers over TLS: connected, asked and answered in {elapsed_ms:.0f} ms."
    return [Finding("collector", Status.OK, told), _clock(reading)]


async def _compare_clocks(channel: grpc.aio.Channel) -> Reading:
    comparison = ClockComparison()
    stub = clock_pb2_grpc.ClockStub(channel)
    for _ in range(5):
        number = comparison.ask()
        answer = await stub.Read(clock_pb2.ReadRequest(), timeout=TIMEOUT_S)
        comparison.answer(number, answer.received_at_us, answer.replied_at_us)
    reading = comparison.reading()
    if reading is None:
        raise AgentError("The collector's clock was set while it was compared. Try again.")
    return reading


def _clock(reading: Reading) -> Finding:
    side = "ahead of" if reading.offset_us > 0 else "behind"
    off_ms = abs(reading.offset_us) / 1000
    far = f"{off_ms:,.1f} ms" if off_ms < 1000 else f"{off_ms / 1000:,.1f} s"
    told = f"{far} {side} the collector's, give or take {reading.uncertainty_us / 1000:,.1f} ms."
    if abs(reading.offset_us) - reading.uncertainty_us > CLOCK_BOUND_US:
        remedy = "Set it by NTP: apt-get install systemd-timesyncd, or chrony."
        return Finding("clock", Status.PROBLEM, told, remedy)
    return Finding("clock", Status.OK, told)


def _synchronised() -> Finding:
    """Ask the kernel whether anybody keeps its clock right (adjtimex(2), which changes nothing)."""
    timex = (ctypes.c_long * 64)()
    libc = ctypes.CDLL(None, use_errno=True)
    state = libc.adjtimex(ctypes.byref(timex)) if hasattr(libc, "adjtimex") else -1
    if state < 0:
        return Finding("ntp", Status.WARNING, "The kernel does not tell who keeps its clock.")
    if timex[5] & _UNSYNCHRONISED:
        remedy = "apt-get install systemd-timesyncd, or chrony; in a container, on its host."
        return Finding("ntp", Status.WARNING, "Nobody keeps this machine's clock right.", remedy)
    return Finding("ntp", Status.OK, "The clock is kept right by NTP.")


def _disk(home: Path) -> Finding:
    """Write and sync a little where the spool is, or would be."""
    place = next(path for path in (home, *home.absolute().parents) if path.exists())
    trial = place / f".vantage-doctor-{os.getpid()}"
    try:
        began_s = time.monotonic()
        descriptor = os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, bytes(65536))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
            trial.unlink()
        sync_s = time.monotonic() - began_s
        free_bytes = shutil.disk_usage(place).free
    except OSError as error:
        told = f"Cannot write to {place}: {error.strerror}."
        remedy = "Run as the agent's user, make it writable, or give another --home."
        if error.errno == errno.ENOSPC:
            remedy = "Free some, or give another --home."
        return Finding("disk", Status.PROBLEM, told, remedy)
    told = f"{free_bytes / 2**30:,.1f} GiB free in {place}; made durable in {sync_s * 1000:.0f} ms."
    if free_bytes < SPACE_BYTES:
        remedy = "Free some, or give run a smaller --spool-limit than 1G."
        return Finding("disk", Status.WARNING, told, remedy)
    if sync_s > SLOW_SYNC_S:
        return Finding("disk", Status.WARNING, told, "Slow: put --home on a quicker disk.")
    return Finding("disk", Status.OK, told)


def _ipv6() -> Finding:
    if has_route(socket.AF_INET6):
        return Finding("ipv6", Status.OK, "There is a route to IPv6 addresses.")
    told = "There is no route to IPv6 addresses: targets that have no other cannot be reached."
    return Finding("ipv6", Status.WARNING, told, "Give it an IPv6 address, if its network has any.")


def _ping() -> Finding:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).close()
    except OSError:
        told = "This user may not send ICMP echo requests."
        remedy = 'sysctl -w net.ipv4.ping_group_range="0 2147483647"'
        return Finding("ping", Status.WARNING, told, remedy)
    return Finding("ping", Status.OK, "ICMP echo requests may be sent.")


async def _cpu() -> Finding:
    """See how late this process wakes up: so late would its measurements be."""
    late_s = sorted([late async for late in _wake_ups(50)])
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    told = (
        f"Load {load:.1f} on {cores} cores; nine of ten wake-ups were less than"
        f" {late_s[44] * 1000:.1f} ms late."
    )
    if late_s[44] > BUSY_LATE_S or load > 2 * cores:
        remedy = "Results will be marked suspect. Give the agent a core of its own."
        return Finding("cpu", Status.WARNING, told, remedy)
    return Finding("cpu", Status.OK, told)


async def _wake_ups(count: int) -> AsyncIterator[float]:
    for _ in range(count):
        due_s = time.monotonic() + 0.01
        await asyncio.sleep(0.01)
        yield max(0.0, time.monotonic() - due_s)


def lines(findings: list[Finding]) -> Iterator[str]:
    """Write the findings for people, the remedies beneath."""
    for finding in findings:
        yield f"{finding.status.value:8}{finding.about:12}{finding.found}"
        if finding.remedy:
            yield f"{'':20}{finding.remedy}"
