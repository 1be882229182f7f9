from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.resolv_conf import ResolvConf, parse_hosts, parse_resolv_conf


def test_everything_in_a_resolv_conf() -> None:
    text = """
    # made by hand
    nameserver 192.0.2.1
    nameserver 2001:db8::53 ; the second
    nameserver not-an-address
    nameserver 192.0.2.3
    nameserver 192.0.2.4
    search corp.example. example
    options ndots:2 timeout:3 attempts:4 rotate edns0 ndots:x
    """
    assert parse_resolv_conf(text) == ResolvConf(
        servers=(("192.0.2.1", 53), ("2001:db8::53", 53), ("192.0.2.3", 53)),
        search=("corp.example", "example"),
        ndots=2,
        timeout_s=3.0,
        attempts=4,
        rotates=True,
    )


def test_an_empty_one_means_what_the_c_library_means() -> None:
    assert parse_resolv_conf("") == ResolvConf(
        servers=(("127.0.0.1", 53),), search=(), ndots=1, timeout_s=5.0, attempts=2
    )


def test_options_are_kept_in_bounds() -> None:
    conf = parse_resolv_conf("options ndots:99 timeout:0 attempts:99")
    assert (conf.ndots, conf.timeout_s, conf.attempts) == (15, 1.0, 5)


def test_candidates_by_their_dots() -> None:
    conf = ResolvConf(search=("corp.example",), ndots=2)
    assert conf.candidates("web") == ["web.corp.example", "web"]
    assert conf.candidates("a.b.c") == ["a.b.c", "a.b.c.corp.example"]
    assert conf.candidates("web.") == ["web"]
    assert ResolvConf().candidates("web") == ["web"]


def test_a_hosts_file() -> None:
    hosts = parse_hosts("127.0.0.1 localhost Box # me\n::1 localhost\nnonsense x\n\n192.0.2.1\n")
    assert {name: [str(a) for a in found] for name, found in hosts.items()} == {
        "localhost": ["127.0.0.1", "::1"],
        "box": ["127.0.0.1"],
    }


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    conf = parse_resolv_conf(text)
    assert conf.servers
    assert conf.attempts >= 1
    parse_hosts(text)
