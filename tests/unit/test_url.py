from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vantage.url import check_url, target_of


@pytest.mark.parametrize(
    ("given_url", "normal"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://Example.COM:443/A?b=C#d", "https://example.com/A?b=C"),
        ("http://example.com:8080/", "http://example.com:8080/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com./", "http://example.com/"),
        ("http://example.com?q", "http://example.com/?q"),
        ("https://bücher.example/ä?ö=ü", "https://xn--bcher-kva.example/%C3%A4?%C3%B6=%C3%BC"),
        ("https://straße.de/", "https://xn--strae-oqa.de/"),
        ("http://a_b.example/%20x", "http://a_b.example/%20x"),
        ("http://[2606:4700::1111]:80/", "http://[2606:4700::1111]/"),
        ("http://[::0:1]:8080/", "http://[::1]:8080/"),
        ("http://[::ffff:192.0.2.1]/", "http://[::ffff:c000:201]/"),
        ("http://192.0.2.1/", "http://192.0.2.1/"),
        ("WSS://Example.com", "wss://example.com/"),
        ("ws://example.com:80/chat?room=1", "ws://example.com/chat?room=1"),
        ("tcp://Example.com:22/", "tcp://example.com:22"),
        ("tls://[::1]:443", "tls://[::1]:443"),
        ("icmp://bücher.example/", "icmp://xn--bcher-kva.example"),
        ("smtp://mx.example:25", "smtp://mx.example"),
        ("imaps://mx.example:9993", "imaps://mx.example:9993"),
        ("dns://192.0.2.53/Example.com", "dns://192.0.2.53/example.com?type=A"),
        (
            "dns://ns.example:53/bücher.example?type=mx",
            "dns://ns.example/xn--bcher-kva.example?type=MX",
        ),
        (
            "dns://ns.example:5353/_sip._tcp.example.?type=SRV",
            "dns://ns.example:5353/_sip._tcp.example.?type=SRV",
        ),
        ("dns://ns.example/.?type=NS", "dns://ns.example/.?type=NS"),
    ],
)
def test_usable_urls_are_normalised(given_url: str, normal: str) -> None:
    assert check_url(given_url) == normal


@pytest.mark.parametrize(
    ("given_url", "complaint"),
    [
        ("", "must begin with http:// or https://, or with one of ws, wss, tcp"),
        ("example.com", "must begin with http://"),
        ("gopher://example.com/", "must begin with http://"),
        ("file:///etc/passwd", "must begin with http://"),
        ("smtp:mx.example", "must begin with http://"),
        ("tcp://example.com", "names no port; write tcp://host:port"),
        (
            "tls://example.com:443/path",
            "has a path, which tls has no use for; write tls://example.com:443.",
        ),
        (
            "ftp://example.com/file",
            "has a path, which ftp has no use for; write ftp://example.com.",
        ),
        ("mqtt://example.com?topic=a", "has a path"),
        ("icmp://example.com:7", "has a port, and icmp has none"),
        ("imap://user@mx.example", "contains credentials"),
        ("dns://192.0.2.53", "is no domain name; write dns://resolver/name?type=A"),
        ("dns://192.0.2.53/a/b", "is no domain name"),
        ("dns://192.0.2.53/a?type=ANY", "write ?type= and one of A, AAAA"),
        ("dns://192.0.2.53/a?class=CH", "write ?type= and one of A, AAAA"),
        ("dns:///example.com", "names no host; write dns://resolver/name?type=A"),
        ("http://", "names no host"),
        ("http:///path", "names no host"),
        ("http://exam ple.com/", "contains ' ' at character 12"),
        ("http://example.com/a b", "write spaces as %20"),
        ("http://example.com/\r\nX: y", "contains '\\r' at character 20"),
        ("http://example.com/\x00", "contains '\\x00'"),
        ("http://user:secret@example.com/", "contains credentials"),
        ("gopher://user:secret@example.com/", "must begin with http://"),
        ("user:secret@example.com", "must begin with http://"),
        ("http://user:secret@exam ple.com/", "contains ' ' at character 24"),
        ("http://example.com:0/", "unusable port"),
        ("http://example.com:65536/", "unusable port"),
        ("http://example.com:http/", "unusable port"),
        ("http://[::1/", "cannot be read"),
        ("http://user:secret@a\u2100.example/", "cannot be read"),
        ("http://[fe80::1%25eth0]/", "no IPv6 address"),
        ("http://127.1/", "no IPv4 address"),
        ("http://2130706433/", "no IPv4 address"),
        ("http://0x7f.0.0.0x1/", "no IPv4 address"),
        ("http://256.0.0.1/", "no IPv4 address"),
        ("http://-a.example/", "no valid host name"),
        ("http://a..example/", "no valid host name"),
        ("http://exa%6dple.com/", "no valid host name"),
        ("http://a.example\\@b.example/", "contains credentials"),
        (f"http://{'a' * 64}.example/", "no valid host name"),
        (f"http://example.com/{'a' * 2048}", "the limit is 2048"),
        (f"http://example.com/{'ä' * 500}", "the limit is 2048"),
    ],
)
def test_unusable_urls_get_a_sentence(given_url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)) as raised:
        check_url(given_url)
    sentence = str(raised.value)
    assert "secret" not in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_a_target_is_taken_apart() -> None:
    target = target_of("https://[::1]/x")
    assert (target.host, target.port, target.is_tls) == ("::1", 443, True)
    assert str(target.address) == "::1"
    assert target_of("http://example.com/").address is None
    asked = target_of("dns://192.0.2.53/example.com?type=txt")
    assert (asked.port, asked.name, asked.type) == (53, "example.com", "TXT")
    assert target_of("icmp://192.0.2.1").port == 0


@given(st.text())
def test_any_text_is_a_url_or_a_value_error(text: str) -> None:
    for url in (text, f"http://{text}", f"https://example.com/{text}"):
        try:
            normal = check_url(url)
        except ValueError:
            continue
        assert check_url(normal) == normal
        assert normal.isascii()
