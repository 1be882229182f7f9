from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

from dns.message import Message, from_wire
from dns.rdatatype import RdataType
from hypothesis import given
from hypothesis import strategies as st

from agent import dns_answer
from agent.dns_message import Question
from agent.dns_query import Reply
from agent.schemes import question as question_scheme
from vantage.url import target_of

QUESTION = Question("www.example.com", RdataType.A)
SERVER = ("192.0.2.53", 53)
TARGET = target_of("dns://192.0.2.53/www.example.com?type=A")


def answered(*records: tuple[int, int, bytes]) -> bytes:
    """Answer QUESTION with records of a type, a class and these bytes, whether they fit or not."""
    wire = QUESTION.wire[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0)
    wire += QUESTION.wire[12:]
    for kind, network, data in records:
        wire += b"\xc0\x0c" + struct.pack("!HHIH", kind, network, 60, len(data)) + data
    return wire


def read(wire: bytes) -> Reply | None:
    kind, message = dns_answer.match(wire, {RdataType.A: QUESTION})
    return None if kind is None or message is None else dns_answer.read(message, kind, SERVER, 1)


def test_no_answer_spoils_the_reading_of_another() -> None:
    """In a process of its own: whatever was read before is what would be spoilt no more."""
    program = (
        "from tests.unit.agent.test_dns_answer import answered, read\n"
        "read(answered((1, 255, b'\\1')))\n"
        "print(*read(answered((1, 1, b'\\xc0\\0\\2\\7'))).addresses)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout == "192.0.2.7\n"


KINDS = st.one_of(st.sampled_from(sorted(RdataType)), st.integers(0, 0xFFFF))
RECORDS = st.tuples(KINDS, st.sampled_from([1, 1, 1, 3, 255]), st.binary(max_size=40))


@given(st.lists(RECORDS, max_size=4))
def test_any_records_are_an_answer_or_none(records: list[tuple[int, int, bytes]]) -> None:
    wire = answered(*records)
    QUESTION.plain_answer(wire)
    read(wire)
    _, message = dns_answer.match(wire, {RdataType.A: QUESTION})
    if isinstance(message, Message):
        "\n".join(question_scheme._records(from_wire(wire, ignore_trailing=True)))
        question_scheme._problem(message, TARGET)


def test_an_answer_of_too_many_records_is_none() -> None:
    """They are addresses: whoever can read them may as well read names of a hundred labels."""
    records = [(1, 1, b"\xc0\0\2\7")] * 499  # ... and the question
    assert dns_answer.match(answered(*records), {RdataType.A: QUESTION})[0] is RdataType.A
    many = answered(*records, *records[:1])
    assert dns_answer.match(many, {RdataType.A: QUESTION}) == (None, None)
