"""The quick reading of answers says what dnspython says, or nothing."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from dns.rdatatype import RdataType
from hypothesis import given
from hypothesis import strategies as st

from agent.dns_message import Question

NAME = "www.Example.com"


def answered(question: Question, *records: tuple[str, str, str]) -> dns.message.Message:
    response = dns.message.make_response(question.message)
    for owner, kind, value in records:
        response.answer.append(dns.rrset.from_text(f"{owner}.", 60, "IN", kind, value))
    return response


def by_dnspython(question: Question, wire: bytes) -> tuple[object, ...]:
    message = dns.message.from_wire(wire)
    assert question.message.is_response(message)
    assert isinstance(message, dns.message.QueryMessage)
    rrset = message.resolve_chaining().answer
    return tuple(ip_address(record.address) for record in rrset or ())


def test_addresses_are_read() -> None:
    question = Question(NAME, RdataType.A)
    response = answered(question, (NAME, "A", "192.0.2.1"), ("www.example.com", "A", "192.0.2.2"))
    assert question.plain_answer(response.to_wire()) == (
        IPv4Address("192.0.2.1"),
        IPv4Address("192.0.2.2"),
    )


def test_aliases_are_followed_whatever_their_order() -> None:
    question = Question(NAME, RdataType.AAAA)
    response = answered(
        question,
        ("b.example.net", "AAAA", "2001:db8::1"),
        ("a.example.org", "CNAME", "b.example.net."),
        (NAME, "CNAME", "A.example.org."),
        ("c.example.net", "AAAA", "2001:db8::2"),
    )
    assert question.plain_answer(response.to_wire()) == (IPv6Address("2001:db8::1"),)


def test_no_record_is_a_plain_answer() -> None:
    question = Question(NAME, RdataType.AAAA)
    assert question.plain_answer(answered(question).to_wire()) == ()


@pytest.mark.parametrize("spoil", ["number", "question", "rcode", "truncated", "query", "length"])
def test_anything_else_is_left_to_dnspython(spoil: str) -> None:
    question = Question(NAME, RdataType.A)
    response = answered(question, (NAME, "A", "192.0.2.1"))
    if spoil == "number":
        response.id ^= 1
    elif spoil == "question":
        response = answered(Question("other.example", RdataType.A))
        response.id = question.message.id
    elif spoil == "rcode":
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif spoil == "truncated":
        response.flags |= dns.flags.TC
    elif spoil == "query":
        response.flags &= ~dns.flags.QR
    wire = response.to_wire()
    assert question.plain_answer(wire[:-1] if spoil == "length" else wire) is None


@pytest.mark.parametrize("rcode", [dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL, dns.rcode.NOTIMP])
def test_an_error_is_read_from_its_header(rcode: dns.rcode.Rcode) -> None:
    question = Question(NAME, RdataType.A)
    response = answered(question, (NAME, "CNAME", "gone.example."))
    response.set_rcode(rcode)
    assert question.plain_error(response.to_wire()) == rcode
    assert Question(NAME, RdataType.A).plain_error(response.to_wire()) is None, "another number"
    response.flags |= dns.flags.TC
    assert question.plain_error(response.to_wire()) is None
    assert question.plain_error(answered(question, (NAME, "A", "192.0.2.1")).to_wire()) is None


def test_a_loop_of_aliases_is_no_plain_answer() -> None:
    question = Question(NAME, RdataType.A)
    there_and_back = (("a.example", "CNAME", f"{NAME}."), (NAME, "CNAME", "a.example."))
    assert question.plain_answer(answered(question, *there_and_back).to_wire()) is None


@pytest.mark.parametrize(
    "name", [b"\xc0\x21", b"\1a\xc0\x21", b"\1a\1b\xc0\x23", b"\x40a\0", b"\xc0\xff"]
)
def test_a_name_that_goes_round_in_circles_or_is_none_is_no_plain_answer(name: bytes) -> None:
    question = Question(NAME, RdataType.A)
    assert len(question.wire) == 0x21, "where the answer's name begins"
    wire = bytearray(answered(question, (NAME, "A", "192.0.2.1")).to_wire())
    wire[0x21:0x23] = name
    assert question.plain_answer(bytes(wire)) is None


def test_each_question_has_a_number_of_its_own() -> None:
    assert len({Question(NAME, RdataType.A).wire[:2] for _ in range(100)}) > 90


def test_a_name_that_no_message_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        Question("a" * 64 + ".example", RdataType.A)


OWNERS = st.sampled_from([NAME.lower(), "a.example", "b.example", "deep.b.example"])
RECORDS = st.lists(
    st.one_of(
        st.tuples(OWNERS, st.just("A"), st.sampled_from(["192.0.2.1", "198.51.100.7"])),
        st.tuples(OWNERS, st.just("AAAA"), st.sampled_from(["2001:db8::1", "2001:db8::2"])),
        st.tuples(OWNERS, st.just("CNAME"), OWNERS.map(lambda name: f"{name}.")),
        st.tuples(OWNERS, st.just("TXT"), st.just('"text"')),
    ),
    max_size=6,
)


@given(RECORDS, st.sampled_from([RdataType.A, RdataType.AAAA]))
def test_it_reads_what_dnspython_reads(
    records: list[tuple[str, str, str]], kind: RdataType
) -> None:
    question = Question(NAME, kind)
    wire = answered(question, *records).to_wire()
    plain = question.plain_answer(wire)
    try:
        expected = by_dnspython(question, wire)
    except dns.exception.DNSException:
        expected = ()
    if plain is not None:
        assert set(plain) == set(expected)


@given(st.data())
def test_garbage_never_raises(data: st.DataObject) -> None:
    question = Question(NAME, RdataType.A)
    wire = bytearray(answered(question, (NAME, "A", "192.0.2.1")).to_wire())
    for _ in range(data.draw(st.integers(1, 6))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    received = bytes(wire[: data.draw(st.integers(0, len(wire)))])
    question.plain_answer(received)
    question.plain_error(received)


LABEL = st.text("abcxyz019-_", min_size=1, max_size=63)


@given(st.lists(LABEL, min_size=1, max_size=6), st.sampled_from([RdataType.A, RdataType.AAAA]))
def test_questions_are_worded_as_dnspython_words_them(labels: list[str], kind: RdataType) -> None:
    name = ".".join(labels)
    try:
        worded = dns.message.make_query(name, kind).to_wire()
    except dns.exception.DNSException:
        with pytest.raises(ValueError, match="too long"):
            Question(name, kind)
    else:
        assert Question(name, kind).wire[2:] == worded[2:]
        assert Question(f"{name}.", kind).wire[2:] == worded[2:]


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64, f"{'x' * 63}." * 4 + "x", "bücher.example"])
def test_a_name_that_no_question_can_hold(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - one of several
        Question(name, RdataType.A)
