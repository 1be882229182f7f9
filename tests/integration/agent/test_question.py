"""dns://: name servers that answer, refuse, are silent, or are not there."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest

from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Assertion
from tests.support.dns_server import Zone, serve_dns
from tests.support.probing import assert_failed, check, monitor, patience_us, phases_of

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    prober = Prober(allow_networks=LOOPBACK)
    yield prober
    await prober.close()


ZONES = {
    "a.example": Zone({"A": ["192.0.2.2", "192.0.2.1"], "MX": ["10 mx.example."]}, delay_s=0.05),
    "alias.example": Zone({"CNAME": ["a.example."]}),
    "long.example": Zone({"TXT": ['"x"']}, is_truncated=True),
    "silent.example": Zone({"A": ["192.0.2.1"]}, silent=99),
    "garbled.example": Zone({"A": ["192.0.2.1"]}, is_garbled=True),
    "broken.example": Zone(rcode=dns.rcode.SERVFAIL),
    "refused.example": Zone(rcode=dns.rcode.REFUSED),
    "strange.example": Zone(rcode=dns.rcode.NOTIMP),
}
QUESTIONS = [
    ("a.example", "a.example A 192.0.2.1\na.example A 192.0.2.2", None),
    ("a.example?type=MX", "a.example MX 10 mx.example.", None),
    ("alias.example", "a.example A 192.0.2.1\na.example A 192.0.2.2\n", None),
    ("long.example?type=TXT", 'long.example TXT "x"', None),
    ("a.example?type=AAAA", "", "dns_no_record"),
    ("no.example", "", "dns_nxdomain"),
    ("broken.example", "", "dns_servfail"),
    ("refused.example", "", "dns_refused"),
    ("strange.example", "", "dns_bad_answer"),
    ("silent.example", "", "timeout_wait"),
    ("garbled.example", "", "timeout_wait"),
]


@pytest.mark.parametrize(("question", "answer", "code"), QUESTIONS)
async def test_a_question_is_answered(
    prober: Prober, question: str, answer: str, code: str | None
) -> None:
    async with serve_dns(ZONES) as server:
        url = f"dns://127.0.0.1:{server.port}/{question}"
        expected = Assertion("body_contains", expected=answer or "-")
        result = await prober.probe(monitor(url, expected, timeout_us=patience_us(code)))
    exchange = check(result)
    assert (result.failure and result.failure.code) == code, result
    assert exchange.answer.startswith(answer)
    assert phases_of(exchange) == ["wait"]
    assert exchange.body_bytes > 0 or code == "timeout_wait"
    # The kernel dates both ends of the one exchange of datagrams, if no more was needed.
    is_beyond_doubt = code != "timeout_wait" and not question.startswith("long.")
    assert exchange.doubt_us == (0 if is_beyond_doubt else None)
    if question == "a.example":
        assert 49_000 <= exchange.phases.wait_us < 2_000_000


async def test_a_name_server_that_is_not_there(prober: Prober) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    result = await prober.probe(monitor(f"dns://127.0.0.1:{port}/a.example"))
    assert_failed(result, "connect_refused", "wait")


async def test_where_no_question_can_leave_no_answer_is_waited_for() -> None:
    prober = Prober(allow_networks=LOOPBACK, source_address="192.0.2.77")
    result = await prober.probe(monitor("dns://127.0.0.1:1/a.example"))
    await prober.close()
    assert result.failure is not None
    assert phases_of(check(result)) == []
    assert check(result).total_us == 0


async def test_a_name_server_has_a_name_too() -> None:
    zones = {"ns.example": Zone({"A": ["127.0.0.1"]}), "a.example": Zone({"A": ["192.0.2.1"]})}
    async with serve_dns(zones) as server:
        resolver = Resolver(servers=[server.at], families=[socket.AF_INET])
        for allowed, code in ((LOOPBACK, None), ([], "address_forbidden")):
            prober = Prober(allow_networks=allowed, resolver=resolver)
            url = f"dns://ns.example:{server.port}/a.example"
            result = await prober.probe(monitor(url))
            await prober.close()
            assert (result.failure and result.failure.code) == code
            assert phases_of(check(result)) == (["dns"] if code else ["dns", "wait"])


async def test_every_address_of_a_name_server_is_asked_in_turn(tmp_path: Path) -> None:
    """Nobody listens at the first, the second never answers, the third does."""
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"127.0.0.{last} ns.example\n" for last in (3, 2, 1)))
    async with serve_dns({"a.example": Zone({"A": ["192.0.2.1"]})}) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.2", server.port))
            prober = Prober(allow_networks=LOOPBACK, resolver=Resolver(hosts=hosts))
            url = f"dns://ns.example:{server.port}/a.example"
            result = await prober.probe(monitor(url, timeout_us=1_000_000))
            await prober.close()
    exchange = check(result)
    assert result.failure is None
    assert exchange.target_ip == bytes([127, 0, 0, 1])
    assert exchange.answer == "a.example A 192.0.2.1"
    # The silent one had half of what was left.
    assert exchange.phases.wait_us >= 300_000


@pytest.mark.parametrize("is_cut", [False, True])
async def test_an_answer_that_came_in_time_counts_though_it_is_read_late(
    prober: Prober, is_cut: bool
) -> None:
    asked, answered = threading.Event(), threading.Event()

    def serve(udp: socket.socket, tcp: socket.socket) -> None:
        wire, peer = udp.recvfrom(1000)
        answer = dns.message.make_response(dns.message.from_wire(wire))
        if is_cut:
            answer.flags |= dns.flags.TC
            udp.sendto(answer.to_wire(), peer)
            answer.flags &= ~dns.flags.TC
            connection, _ = tcp.accept()
            connection.recv(1000)
        asked.set()
        time.sleep(0.05)
        if is_cut:
            wire = answer.to_wire()
            with connection:
                connection.sendall(len(wire).to_bytes(2, "big") + wire)
        else:
            udp.sendto(answer.to_wire(), peer)
        answered.set()

    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(tcp.getsockname())
        threading.Thread(target=serve, args=(udp, tcp)).start()
        url = f"dns://127.0.0.1:{udp.getsockname()[1]}/a.example"
        probing = asyncio.create_task(prober.probe(monitor(url, timeout_us=500_000)))
        while not asked.is_set():
            await asyncio.sleep(0.001)
        answered.wait()  # blocking the loop is the point
        time.sleep(0.6)  # noqa: ASYNC251
        result = await probing
    assert_failed(result, "dns_no_record", "wait")
