"""On which terms a request is made: who asks, by which way, over which family, how patiently."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from agent.probe import Prober
from agent.request import basic_authorization
from agent.resolver import Resolver
from agent.result import Monitor, Outcome, Phases, Request, Role
from tests.support import targets
from tests.support.certificates import Leaf, TestAuthority
from tests.support.dns_server import Zone, serve_dns
from tests.support.probing import LOOPBACK, failed, probe
from tests.support.recorder import Recorder
from tests.support.targets import Connection, answer, paced, respond, serve

# Who asks ----------------------------------------------------------------------------------------


async def test_secret_headers_are_sent_and_go_to_no_other_origin(prober: Prober) -> None:
    away, home = Recorder(), Recorder()
    request = Request(
        headers=(("X-Open", "seen"),),
        secret_headers=(basic_authorization("me", "pässword"), ("X-Key", "hidden")),
    )
    async with serve(away) as elsewhere, serve(home) as target:
        home.responses["/"] = respond("302 Found", "Location: /two")
        home.responses["/two"] = respond("307 Temporary", f"Location: {elsewhere.url()}")
        result = await probe(prober, target.url(), request=request)
    assert result.outcome is Outcome.UP
    for received in home.received:
        assert received.headers["authorization"] == "Basic bWU6cMOkc3N3b3Jk"
        assert (received.headers["x-key"], received.headers["x-open"]) == ("hidden", "seen")
    [received] = away.received
    assert {"authorization", "x-key", "x-open"}.isdisjoint(received.headers)
    assert "hidden" not in repr(result)
    assert "hidden" not in repr(request)


async def test_a_page_gets_no_secret_once_a_redirect_has_left_its_origin(prober: Prober) -> None:
    home, away = Recorder(), Recorder()
    html = respond("200 OK", "Content-Type: text/html", body=b"<img src=/a><img src=/b>")
    request = Request(secret_headers=(("X-Key", "hidden"),))
    async with serve(home) as target, serve(away) as elsewhere:
        home.responses["/own"] = away.responses["/"] = html
        home.responses["/"] = respond("302 Found", f"Location: {elsewhere.url()}")
        await probe_page(prober, target.url("/own"), request)
        assert [each.headers["x-key"] for each in home.received] == ["hidden"] * 3
        await probe_page(prober, target.url(), request)
    assert len(away.received) == 3
    assert all("x-key" not in each.headers for each in away.received)


async def probe_page(prober: Prober, url: str, request: Request) -> None:
    monitor = Monitor(7, url, timeout_us=5_000_000, request=request, kind="page")
    result = await prober.probe(monitor)
    assert result.outcome is Outcome.UP, result


async def test_a_client_certificate_is_shown_to_its_own_origin_only(
    prober: Prober, authority: TestAuthority, good: Leaf
) -> None:
    me = authority.issue("me.example", is_for_clients=True)
    mutual = Request(client_certificate=me.certificate.read_bytes(), client_key=me.key.read_bytes())
    demanding = good.server_context(clients_of=authority.path)
    with tls_server(demanding, targets.OK) as url:
        assert (await probe(prober, url, request=mutual)).outcome is Outcome.UP
        # The handles that knew the key serve nobody else.
        for _ in range(3):
            assert failed(await probe(prober, url))[0] == "tls_client_certificate"
        stranger = authority.issue("me.example", is_self_signed=True, is_for_clients=True)
        unknown = Request(
            client_certificate=stranger.certificate.read_bytes(),
            client_key=stranger.key.read_bytes(),
        )
        assert failed(await probe(prober, url, request=unknown))[0] == "tls_client_certificate"
        with tls_server(demanding, respond("302 Found", f"Location: {url}")) as leaving:
            result = await probe(prober, leaving, request=mutual)
        assert len(result.exchanges) == 2
        assert failed(result)[0] == "tls_client_certificate"


@contextmanager
def tls_server(context: ssl.SSLContext, response: bytes) -> Iterator[str]:
    """Serve in a thread: OpenSSL on a blocking socket sends its alerts, uvloop's TLS does not."""

    def handle(raw: socket.socket) -> None:
        raw.settimeout(5)
        with (
            suppress(OSError),
            context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False) as secured,
        ):
            try:
                secured.do_handshake()
                secured.recv(65536)
                secured.sendall(response)
            except ssl.SSLError:
                # Closed with something unread it would be reset, and the alert be lost.
                while socket.socket.recv(secured, 65536):
                    pass

    def accept() -> None:
        with suppress(OSError):
            while True:
                handle(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


async def test_a_key_that_is_none_is_told(prober: Prober, good: Leaf) -> None:
    broken = Request(client_certificate=b"nonsense", client_key=b"nonsense")
    async with serve(answer(), tls=good.server_context()) as target:
        result = await probe(prober, target.url(scheme="https"), request=broken)
        await asyncio.sleep(0.02)  # the connection, dropped at once, is to be accepted first
    assert failed(result) == ("tls_client_certificate", "tls")
    assert "nonsense" not in repr(result)


async def test_a_monitor_s_own_authority_is_trusted_alone(
    prober: Prober, authority: TestAuthority, good: Leaf, tmp_path: Path
) -> None:
    own = TestAuthority(tmp_path, "Own authority")
    leaf = own.issue("127.0.0.1")
    trusting = Request(authority=own.path.read_bytes())
    async with (
        serve(answer(), tls=leaf.server_context()) as private,
        serve(answer(), tls=good.server_context()) as public,
    ):
        assert (
            await probe(prober, private.url(scheme="https"), request=trusting)
        ).outcome is Outcome.UP
        for url, request in (
            (private.url(scheme="https"), Request()),
            (public.url(scheme="https"), trusting),
        ):
            assert failed(await probe(prober, url, request=request))[0] == "tls_cert_untrusted"
        assert (await probe(prober, public.url(scheme="https"))).outcome is Outcome.UP


async def test_a_revoked_certificate_is_told_where_lists_come_with_the_authority(
    prober: Prober, authority: TestAuthority, good: Leaf, tmp_path: Path
) -> None:
    revoked, other = authority.issue("127.0.0.1"), TestAuthority(tmp_path, "Other authority")
    own = authority.path.read_bytes()
    lists = Request(authority=own + authority.revocations(revoked))
    strange = Request(authority=own + other.revocations())
    async with (
        serve(answer(), tls=revoked.server_context()) as bad,
        serve(answer(), tls=good.server_context()) as well,
    ):
        url = bad.url(scheme="https")
        result = await probe(prober, url, request=lists)
        assert failed(result) == ("tls_cert_invalid", "tls")
        assert result.failure is not None
        assert "revoked" in result.failure.detail
        for there, request in (
            (well.url(scheme="https"), lists),
            (url, Request(authority=own)),
            (url, Request()),
        ):
            assert (await probe(prober, there, request=request)).outcome is Outcome.UP
        missing = (await probe(prober, url, request=strange)).failure
        assert missing is not None
        assert "unable to get certificate CRL" in missing.detail


# Over which family -------------------------------------------------------------------------------


async def test_both_families_run_at_once_and_the_worse_decides(authority: TestAuthority) -> None:
    zones = {"target.example": Zone({"A": ["127.0.0.1"], "AAAA": ["::1"]})}
    hops = targets.routes(
        {"/": respond("302 Found", "Location: /two"), "/two": respond("503 Busy")}
    )
    is_six_asked = asyncio.Event()

    async def four(connection: Connection) -> None:
        await connection.request()
        await is_six_asked.wait()
        await connection.send(targets.OK)

    async def six(connection: Connection) -> None:
        is_six_asked.set()
        await hops(connection)

    async with (
        serve_dns(zones) as names,
        serve(four, host="127.0.0.1") as v4,
        serve(six, host="::1", port=v4.port),
    ):
        prober = Prober(
            allow_networks=LOOPBACK, trust_ca=authority.path, resolver=Resolver(servers=[names.at])
        )
        url = v4.url(host="target.example")
        result = await probe(prober, url, is_paired=True)
        await prober.close()
    assert (result.outcome, result.failure and result.failure.code) == (Outcome.DOWN, "http_status")
    pair, hop, last = result.exchanges
    assert [each.role for each in result.exchanges] == [Role.PAIR, Role.HOP, Role.HOP]
    assert (pair.target_ip, last.target_ip) == (
        ip_address("127.0.0.1").packed,
        ip_address("::1").packed,
    )
    assert (pair.outcome, pair.failure, pair.http_status) == (Outcome.UP, None, 200)
    assert (last.outcome, last.failure, last.http_status) == (None, None, 503)
    assert hop.target_ip == last.target_ip
    assert (pair.start_us, hop.start_us) == (0, 0)
    assert last.start_us == result.redirect_us
    # It took as long as the worse, not as both.
    assert result.total_us == result.redirect_us + last.total_us


async def test_a_family_that_is_missing_is_down_and_the_slower_decides_between_equals(
    authority: TestAuthority,
) -> None:
    zones = {
        "four.example": Zone({"A": ["127.0.0.1"]}),
        "both.example": Zone({"A": ["127.0.0.1"], "AAAA": ["::1"]}),
    }
    async with (
        serve_dns(zones) as names,
        serve(answer(wait_s=0.1), host="127.0.0.1") as v4,
        serve(answer(), host="::1", port=v4.port),
    ):
        prober = Prober(
            allow_networks=LOOPBACK, trust_ca=authority.path, resolver=Resolver(servers=[names.at])
        )
        lacking = await probe(prober, v4.url(host="four.example"), is_paired=True)
        equal = await probe(prober, v4.url(host="both.example"), is_paired=True)
        await prober.close()
    assert failed(lacking) == ("dns_no_address", "dns")
    assert lacking.exchanges[0].outcome is Outcome.UP
    assert equal.outcome is Outcome.UP
    assert equal.exchanges[-1].target_ip == ip_address("127.0.0.1").packed
    assert equal.total_us > equal.exchanges[0].total_us


# How patiently -----------------------------------------------------------------------------------


async def test_each_phase_ends_at_its_own_limit(
    authority: TestAuthority, good: Leaf, full_listener: int
) -> None:
    limit_us = 250_000
    limits = Phases(*[limit_us] * 6)
    zones = {"silent.example": Zone(silent=99)}
    tls = good.server_context()
    async with (
        serve_dns(zones) as names,
        serve(answer(), tls=tls, hold_tls_s=5) as hangs,
        serve(targets.silent, tls=tls) as waits,
        serve(targets.hang_receiving) as receives,
        serve(targets.never_reading, is_narrow=True) as sends,
    ):
        prober = Prober(
            allow_networks=LOOPBACK, trust_ca=authority.path, resolver=Resolver(servers=[names.at])
        )
        body = bytes(64 * 1024)
        for url, phase, code in (
            ("http://silent.example/", "dns", "dns_timeout"),
            (f"http://127.0.0.1:{full_listener}/", "connect", "connect_timeout"),
            (hangs.url(scheme="https"), "tls", "tls_timeout"),
            (sends.url(), "send", "timeout_send"),
            (waits.url(scheme="https"), "wait", "timeout_wait"),
            (receives.url(), "receive", "timeout_receive"),
            (waits.url(scheme="wss"), "wait", "timeout_wait"),
        ):
            request = Request(phase_timeouts=limits)
            if phase == "send":
                request = replace(request, method="POST", body=body)
            # A busy loop, before libcurl begins: that is not the target's time.
            asyncio.get_running_loop().call_soon(time.sleep, 0.05)
            result = await probe(prober, url, request=request)
            assert failed(result) == (code, phase), result
            spent_us = getattr(result.exchanges[0].phases, f"{phase}_us")
            assert limit_us <= spent_us < limit_us + 3_000_000, (phase, spent_us)
        await prober.close()


async def test_a_phase_without_a_limit_may_take_its_time(prober: Prober) -> None:
    async with serve(paced(wait_s=0.2, receive_s=0.2)) as target:
        quick = Phases(connect_us=100_000, send_us=100_000, receive_us=1_000_000)
        request = Request(phase_timeouts=quick)
        assert (await probe(prober, target.url(), request=request)).outcome is Outcome.UP
        impatient = Request(phase_timeouts=Phases(receive_us=100_000))
        result = await probe(prober, target.url(), request=impatient)
        assert failed(result) == ("timeout_receive", "receive")
        # ... and the limit is not the next monitor's.
        assert (await probe(prober, target.url())).outcome is Outcome.UP
