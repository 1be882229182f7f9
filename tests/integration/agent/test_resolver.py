"""The resolver against a real server on loopback, over UDP and TCP."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import dns.rcode
import pytest

from agent import dns_query
from agent.destination import Destinations
from agent.guard import Guard
from agent.probe import Prober
from agent.resolver import Answer, LookupFailed, Resolver
from agent.result import Monitor, Request
from tests.support.dns_server import DnsServer, Zone, serve_dns
from vantage.url import target_of

BOTH = [socket.AF_INET6, socket.AF_INET]
NAME = "target.example"


def resolver(server: DnsServer, **options: Any) -> Resolver:
    options.setdefault("families", BOTH)
    options.setdefault("timeout_s", 5)
    return Resolver(servers=[server.at], **options)


async def addresses(asker: Resolver, name: str = NAME) -> list[str]:
    answer = await asker.resolve(name, timeout_s=5)
    return [str(address) for address in answer.addresses]


async def test_both_families_are_asked_for_at_once() -> None:
    class Patient(DnsServer):
        async def respond(self, wire: bytes, protocol: str) -> bytes | None:
            answer = await super().respond(wire, protocol)
            while len(self.queries) < 2:
                await asyncio.sleep(0.001)
            return answer

    zone = Zone({"A": ["192.0.2.1", "192.0.2.2"], "AAAA": ["2001:db8::1"]})
    async with serve_dns({NAME: zone}, kind=Patient) as server:
        answer = await resolver(server, timeout_s=5).resolve(NAME, timeout_s=5)
        assert str(answer.addresses[0]) == "2001:db8::1"
        assert {str(a) for a in answer.addresses[1:]} == {"192.0.2.1", "192.0.2.2"}
        assert sorted(kind for _, _, kind in server.queries) == ["A", "AAAA"]


async def test_only_wanted_families_are_asked_for() -> None:
    zone = Zone({"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]})
    async with serve_dns({NAME: zone}) as server:
        assert await addresses(resolver(server, families=[socket.AF_INET])) == ["192.0.2.1"]
        assert [kind for _, _, kind in server.queries] == ["A"]


@pytest.mark.parametrize(
    ("zone", "code"),
    [
        (Zone(rcode=dns.rcode.NXDOMAIN), "dns_nxdomain"),
        (Zone({"MX": ["10 mail.example."]}), "dns_no_address"),
        (Zone(rcode=dns.rcode.SERVFAIL), "dns_servfail"),
        (Zone(rcode=dns.rcode.REFUSED), "dns_refused"),
        (Zone(rcode=dns.rcode.NOTIMP), "dns_bad_answer"),
        (Zone(silent=99), "dns_timeout"),
        (Zone({"A": ["192.0.2.1"]}, is_garbled=True), "dns_timeout"),
    ],
)
async def test_failures(zone: Zone, code: str) -> None:
    async with serve_dns({NAME: zone}) as server:
        with pytest.raises(LookupFailed) as raised:
            await resolver(server, timeout_s=0.1 if code == "dns_timeout" else 5).resolve(
                NAME, timeout_s=5
            )
    assert raised.value.failure.code == code
    assert NAME in raised.value.failure.detail


async def test_a_server_that_is_not_there() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
    with pytest.raises(LookupFailed) as raised:
        await Resolver(servers=[("127.0.0.1", port)]).resolve(NAME, timeout_s=5)
    assert raised.value.failure.code == "dns_unreachable"
    assert raised.value.elapsed_us < 4_000_000


async def test_the_whole_time_is_limited() -> None:
    async with serve_dns({NAME: Zone(silent=99)}) as server:
        with pytest.raises(LookupFailed) as raised:
            await resolver(server, timeout_s=5).resolve(NAME, timeout_s=0.2)
    assert raised.value.failure.code == "dns_timeout"
    assert 198_000 <= raised.value.elapsed_us < 2_000_000


async def test_aliases_are_followed() -> None:
    zones = {
        NAME: Zone({"CNAME": ["two.example."]}),
        "two.example": Zone({"CNAME": ["three.example."]}),
        "three.example": Zone({"A": ["192.0.2.3"]}),
    }
    async with serve_dns(zones) as server:
        assert await addresses(resolver(server)) == ["192.0.2.3"]


async def test_an_alias_that_leads_nowhere_is_no_address() -> None:
    async with serve_dns({NAME: Zone({"CNAME": ["two.example."]})}) as server:
        with pytest.raises(LookupFailed) as raised:
            await resolver(server).resolve(NAME, timeout_s=5)
    assert raised.value.failure.code == "dns_no_address"


async def test_a_truncated_answer_is_had_by_tcp() -> None:
    many = [f"192.0.2.{number}" for number in range(1, 100)]
    async with serve_dns({NAME: Zone({"A": many}, is_truncated=True)}) as server:
        assert sorted(await addresses(resolver(server))) == sorted(many)
        assert ("tcp", NAME, "A") in server.queries


async def test_a_lost_query_is_sent_again() -> None:
    async with serve_dns({NAME: Zone({"A": ["192.0.2.1"]}, silent=2)}) as server:
        assert await addresses(resolver(server, timeout_s=0.3)) == ["192.0.2.1"]
        assert len(server.queries) == 4


@pytest.mark.parametrize("first", [Zone(rcode=dns.rcode.SERVFAIL), Zone(silent=99)])
async def test_the_next_server_is_asked(first: Zone) -> None:
    async with (
        serve_dns({NAME: first}) as one,
        serve_dns({NAME: Zone({"A": ["192.0.2.1"]})}) as two,
    ):
        asker = Resolver(servers=[one.at, two.at], timeout_s=0.3, families=BOTH)
        assert await addresses(asker) == ["192.0.2.1"]


async def test_a_late_family_is_waited_for_but_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    records = {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]}
    zones = {
        "soon.example": Zone(records, delays_s={"AAAA": 0.02}),
        "late.example": Zone(records, delays_s={"AAAA": 2.0}),
    }
    async with serve_dns(zones) as server:
        asker = resolver(server)
        with monkeypatch.context() as patient:
            patient.setattr(dns_query, "_OTHER_FAMILY_NS", 5_000_000_000)
            assert await addresses(asker, "soon.example") == ["2001:db8::1", "192.0.2.1"]
        answer = await asker.resolve("late.example", timeout_s=5)
        assert [str(a) for a in answer.addresses] == ["192.0.2.1"]
        assert 48_000 <= answer.elapsed_us < 1_900_000


async def test_forged_answers_are_passed_over() -> None:
    """Right server, wrong question: as a guess at an answer would look."""

    class Forging(DnsServer):
        async def respond(self, wire: bytes, protocol: str) -> bytes | None:
            honest = await super().respond(wire, protocol)
            return bytes([wire[0] ^ 1]) + honest[1:] if honest else None

    async with serve_dns({NAME: Zone({"A": ["192.0.2.1"]})}, kind=Forging) as server:
        with pytest.raises(LookupFailed) as raised:
            await resolver(server, timeout_s=0.1).resolve(NAME, timeout_s=5)
    assert raised.value.failure.code == "dns_timeout"


@pytest.mark.parametrize("url", ["dns://{at}/a.example", "http://a.example"])
async def test_a_name_server_that_never_answers_the_question_is_given_up(url: str) -> None:
    """It sends the question back, more often than anybody wants to hear it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(60)
        at = server.getsockname()

        def echo() -> None:
            wire, peer = server.recvfrom(1000)
            for _ in range(20):
                server.sendto(wire, peer)

        asker = Resolver(servers=[at], families=[socket.AF_INET], attempts=1)
        prober = Prober(allow_networks=[ip_network("127.0.0.0/8")], resolver=asker)
        watched = Monitor(1, url.format(at=f"{at[0]}:{at[1]}"), timeout_us=20_000_000)
        _, result = await asyncio.gather(asyncio.to_thread(echo), prober.probe(watched))
        await prober.close()
    assert result.failure is not None
    assert "no answer to the question" in result.failure.detail


async def test_of_ever_so_many_addresses_the_first_are_tried() -> None:
    given = {f"192.0.2.{last}" for last in range(100)}
    url = f"http://{NAME}/"
    async with serve_dns({NAME: Zone({"A": sorted(given)}, is_truncated=True)}) as server:
        found = Destinations(Guard([ip_network("192.0.2.0/24")]), resolver(server))
        tried, _ = await found.find(target_of(url), Monitor(1, url), Request(), 0, 5_000_000)
    assert len(tried) == 64
    assert set(map(str, tried)) < given


async def test_localhost_and_the_hosts_file_need_no_query(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.7 box box.example # the box\n2001:db8::7 box\n")
    async with serve_dns({}) as server:
        asker = resolver(server, hosts=hosts)
        assert await addresses(asker, "localhost") == ["::1", "127.0.0.1"]
        assert await addresses(asker, "www.localhost") == ["::1", "127.0.0.1"]
        assert await addresses(asker, "BOX") == ["2001:db8::7", "192.0.2.7"]
        assert await addresses(asker, "box.example") == ["192.0.2.7"]
        assert (await asker.resolve("box", timeout_s=1)).elapsed_us == 0
        hosts.write_text("192.0.2.8 box\n")
        assert await addresses(asker, "box") == ["192.0.2.8"]
        assert server.queries == []


async def test_resolv_conf_says_where_and_how_to_search(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text("search corp.example\noptions ndots:2 timeout:1 attempts:1\n")
    zones = {"web.corp.example": Zone({"A": ["192.0.2.1"]}), "a.b.c": Zone({"A": ["192.0.2.2"]})}
    async with serve_dns(zones) as server:
        asker = resolver(server, resolv_conf=conf, families=[socket.AF_INET])
        assert await addresses(asker, "web") == ["192.0.2.1"]
        assert await addresses(asker, "a.b.c") == ["192.0.2.2"]
        assert [name for _, name, _ in server.queries] == ["web.corp.example", "a.b.c"]


async def test_resolv_conf_may_have_the_servers_take_turns(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    zones = {NAME: Zone({"A": ["192.0.2.1"]})}
    async with serve_dns(zones) as one, serve_dns(zones) as two:
        asker = Resolver(servers=[one.at, two.at], families=[socket.AF_INET], resolv_conf=conf)
        for options, asked in (
            ("", (3, 0)),
            ("options rotate", (1, 2)),
            ("options ndots:1", (3, 0)),
        ):
            conf.write_text(options)
            for _ in range(3):
                await addresses(asker)
            assert (len(one.queries), len(two.queries)) == asked
            one.queries.clear()
            two.queries.clear()


@pytest.mark.parametrize(
    ("rcode", "protocol", "server_s", "whole_s"),
    [
        (dns.rcode.NOERROR, "udp", 5, 5),
        (dns.rcode.NXDOMAIN, "udp", 5, 5),
        (dns.rcode.NOERROR, "tcp", 5, 5),
        # Over before the answer has its turn to be read, though not before it came.
        (dns.rcode.NOERROR, "udp", 0.4, 5),
        (dns.rcode.NXDOMAIN, "udp", 0.4, 5),
        (dns.rcode.NOERROR, "tcp", 0.4, 5),
        (dns.rcode.NOERROR, "udp", 5, 0.4),
        (dns.rcode.NXDOMAIN, "udp", 5, 0.4),
        (dns.rcode.NOERROR, "tcp", 5, 0.4),
    ],
)
async def test_a_busy_loop_neither_lengthens_the_answer_nor_loses_it(
    rcode: dns.rcode.Rcode, protocol: str, server_s: float, whole_s: float
) -> None:
    """The kernel stamps what comes; that we read it later is not the server's doing."""
    started, answered, stop = threading.Event(), threading.Event(), threading.Event()
    found: list[DnsServer] = []

    class Telling(DnsServer):
        async def respond(self, wire: bytes, by: str) -> bytes | None:
            answer = await super().respond(wire, by)
            if by == protocol:
                asyncio.get_running_loop().call_soon(answered.set)
            return answer

    async def serving() -> None:
        zone = Zone({"A": ["192.0.2.1"]}, delay_s=0.04, rcode=rcode, is_truncated=protocol == "tcp")
        async with serve_dns({NAME: zone}, kind=Telling) as server:
            found.append(server)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serving(),))
    thread.start()
    try:
        await asyncio.to_thread(started.wait)
        asker = resolver(found[0], timeout_s=server_s, families=[socket.AF_INET])
        began_s = time.perf_counter()
        asking = asyncio.create_task(asker.resolve(NAME, timeout_s=whole_s))
        while (protocol, NAME, "A") not in found[0].queries:
            await asyncio.sleep(0.001)
        answered.wait()  # blocking the loop is the point
        answered_us = (time.perf_counter() - began_s) * 1e6
        time.sleep(0.5)  # noqa: ASYNC251
        [told] = await asyncio.gather(asking, return_exceptions=True)
        assert isinstance(told, Answer if rcode == dns.rcode.NOERROR else LookupFailed), told
        assert 40_000 <= told.elapsed_us < answered_us + 200_000
        assert len(found[0].queries) == (2 if protocol == "tcp" else 1)
    finally:
        stop.set()
        thread.join()


async def test_cancelling_a_lookup_closes_its_socket() -> None:
    async with serve_dns({NAME: Zone(silent=99)}) as server:
        asking = asyncio.create_task(resolver(server, timeout_s=5).resolve(NAME, timeout_s=5))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
