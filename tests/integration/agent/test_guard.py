"""Targets that customers must not reach through an agent: refused before anything is sent."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from agent.authorities import system_bundle
from agent.destination import Destinations
from agent.engine import Engine
from agent.guard import Guard
from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Monitor, Outcome
from tests.support.dns_server import Zone, serve_dns
from tests.support.targets import answer, respond, routes, serve
from vantage.url import target_of

ONLY_FIRST = [ip_network("127.0.0.1/32")]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "a.localhost", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_loopback_is_refused_however_it_is_written(host: str) -> None:
    async with serve(answer()) as target:
        prober = Prober()
        result = await prober.probe(Monitor(1, f"http://{host}:{target.port}/"))
        await prober.close()
        assert result.failure is not None
        assert result.failure.code == "address_forbidden"
        assert "--allow-network" in result.failure.detail
        assert result.exchanges[0].phases.connect_us is None
        assert result.exchanges[0].target_ip
        assert target.connections == 0


async def test_a_redirect_inside_is_refused() -> None:
    async with serve(answer(), host="127.0.0.2") as inside:
        location = f"Location: http://127.0.0.2:{inside.port}/latest/meta-data"
        async with serve(routes({"/": respond("302 Found", location)})) as outside:
            prober = Prober(allow_networks=ONLY_FIRST)
            result = await prober.probe(Monitor(1, outside.url()))
            await prober.close()
    assert result.failure is not None
    assert result.failure.code == "address_forbidden"
    assert len(result.exchanges) == 2
    assert inside.connections == 0


async def test_of_several_addresses_only_the_permitted_are_tried() -> None:
    zones = {
        "mixed.example": Zone({"A": ["127.0.0.2", "127.0.0.1"]}),
        "inside.example": Zone({"A": ["127.0.0.2"]}),
    }
    async with (
        serve_dns(zones) as names,
        serve(answer()) as target,
        serve(answer(), host="127.0.0.2", port=target.port) as inside,
    ):
        resolver = Resolver(servers=[names.at], families=[socket.AF_INET])
        prober = Prober(allow_networks=ONLY_FIRST, resolver=resolver)
        result = await prober.probe(Monitor(1, target.url(host="mixed.example")))
        assert result.outcome is Outcome.UP
        result = await prober.probe(Monitor(1, target.url(host="inside.example")))
        assert result.failure is not None
        assert result.failure.code == "address_forbidden"
        assert inside.connections == 0
        await prober.close()


async def test_who_needs_no_libcurl_gets_permitted_addresses_only(
    tmp_path: Path,
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.2 mixed.example\n127.0.0.1 mixed.example\n")
    resolver = Resolver(families=[socket.AF_INET], hosts=hosts)
    destinations = Destinations(Guard(ONLY_FIRST), resolver)
    monitor = Monitor(1, "icmp://mixed.example")
    target = target_of(monitor.url)
    found, _ = await destinations.find(target, monitor, monitor.request, 0, 1_000_000)
    assert found == [ip_address("127.0.0.1")]


async def test_libcurl_itself_is_kept_from_opening_a_socket() -> None:
    """Even for an address that the check before it let pass."""
    async with serve(answer()) as target:
        engine = Engine(Guard(), system_bundle(), None)
        aim = target_of(target.url())
        assert aim.address is not None
        transfer = await engine.exchange(aim, [aim.address], 1_000_000)
        assert transfer.error is not None
        assert transfer.refusal is not None
        assert "127.0.0.0/8 (loopback)" in transfer.refusal
        assert target.connections == 0
        await engine.close()
