"""Messages that something happened to, and what takes them: the collector's side and the agent's,
whom targets and name servers speak to, too.

Every case is drawn from its seed. Refusing one is right, taking it is too; any other exception is a
crash, and so is a row that PostgreSQL could not take.
"""

from __future__ import annotations

import random
import struct
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from dns.rdatatype import RdataType
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from agent import dns_answer
from agent import wire as agent_wire
from agent.dns_message import Question
from agent.errors import AgentError
from agent.resources import chosen_of, of_css, of_html
from agent.schedule import Schedule, SystemClock
from agent.schemes import question as question_scheme
from agent.spool import Spool
from agent.stream import Pace, Stream
from collector import certificates, wire
from collector.content import Content
from tests.support.collector import exchange
from tests.support.collector import result as encoded_result
from tests.support.delivery_server import Issuer
from tests.support.rows import named
from vantage.v1 import delivery_pb2, monitor_pb2, result_pb2

INTEGERS = (0, 1, -1, 2, 7, 100, 443, 65_535, 65_536, 2**31 - 1, -(2**31), 2**62, -(2**62))
TEXTS = ("", "a", "\0", "é" * 3_000, "http://x/", "https://[", "dns", "GET", "1.1", "::", "9" * 400)
DEPTH_MAX = 4
MARKUP = (
    *("<img ", "srcset=", "src=", '"', "'", ">", " 1.5x", " 640w", " 1.2.3x", ", ", "a.png", "&#"),
    *(
        "<base href=",
        "http://[",
        "//",
        "<style>",
        "</style>",
        "url(",
        ")",
        "@import ",
        "<!--",
        "-->",
    ),
    *(
        "-->",
        "@font-face{",
        "}",
        "/*",
        "*/",
        "<picture>",
        "<source ",
        "<template>",
        "é",
        "\ud800",
        "\0",
    ),
)
TYPES = (*map(int, RdataType), 0, 65_280)


def attack(subject: str, seed: int) -> tuple[str, str]:
    """Run one case; return accepted, refused or crash, and what is to be said of a crash."""
    body, refusals = SUBJECTS[subject]
    try:
        body(random.Random(f"{subject} {seed}"))
    except refusals:
        return "refused", ""
    except Exception:
        return "crash", traceback.format_exc(limit=-4)
    return "accepted", ""


def made(kind: type[Message], dice: random.Random) -> bytes:
    """Encode a message of a kind with fields of any value; maybe harmed on its way."""
    message = kind()
    fill(message, dice, 0)
    return harmed(message.SerializeToString(), dice) if dice.random() < 0.3 else encoded(message)


def encoded(message: Message) -> bytes:
    return message.SerializeToString()


def fill(message: Any, dice: random.Random, depth: int) -> None:
    for described in message.DESCRIPTOR.fields:
        if dice.random() < 0.3 or (depth > DEPTH_MAX and described.message_type):
            continue
        name = described.name
        if described.is_repeated:
            for _ in range(dice.choice((1, 1, 2, 12))):
                if described.message_type:
                    fill(getattr(message, name).add(), dice, depth + 1)
                else:
                    getattr(message, name).append(value(described, dice))
        elif described.message_type:
            fill(getattr(message, name), dice, depth + 1)
            getattr(message, name).SetInParent()
        else:
            setattr(message, name, value(described, dice))


def value(described: FieldDescriptor, dice: random.Random) -> Any:
    kind = described.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        is_bytes = described.type == FieldDescriptor.TYPE_BYTES
        return dice.randbytes(dice.choice((0, 3, 4, 16, 90))) if is_bytes else dice.choice(TEXTS)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return dice.random() < 0.5
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return dice.choice((0, 1, 2, 3, 99))
    bits = 32 if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32) else 64
    lowest = 0 if kind in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64) else None
    fitting = [n for n in INTEGERS if -(2 ** (bits - 1)) <= n < 2 ** (bits - 1)]
    return dice.choice([n for n in fitting if lowest is None or n >= lowest])


def harmed(data: bytes, dice: random.Random) -> bytes:
    """Change, cut, repeat or add some bytes."""
    content = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(content) + 1)
        match dice.randrange(4):
            case 0 if content:
                content[at % len(content)] ^= 1 << dice.randrange(8)
            case 1:
                del content[at:]
            case 2:
                content[at:at] = dice.randbytes(dice.randint(1, 9))
            case _:
                content += content[at : at + dice.randint(1, 60)]
    return bytes(content)


def result(dice: random.Random) -> None:
    """A result's way into rows; what is not refused must be what COPY takes."""
    match dice.randrange(3):
        case 0:
            payload = made(result_pb2.Result, dice)
        case 1:
            payload = harmed(sound(), dice)
        case _:
            payload = altered(result_pb2.Result.FromString(sound()), dice).SerializeToString()
    content = Content.read(
        [(1, payload)], agent_id=bytes(16), location="a", probed=range(-(2**31), 2**31)
    )
    for row in content.results.rows:
        check_row(row, wire.RESULT_COLUMNS)
    for row in content.exchanges:
        check_row(row, wire.EXCHANGE_COLUMNS)
    for row in content.gaps:
        check_row(row, wire.GAP_COLUMNS)
    for sighting in content.sightings:
        assert "\0" not in repr(sighting.row)
    content.results.votes()
    for _, reason, _, _ in content.refused:
        assert not reason.startswith("it could not be read"), reason
        raise wire.RefusedResult(reason)


def altered(message: Any, dice: random.Random) -> Any:
    """Give one field of a sound message any value, however deep it lies."""
    described = dice.choice(message.DESCRIPTOR.fields)
    name = described.name
    if not described.message_type:
        if described.is_repeated:
            getattr(message, name).append(value(described, dice))
        else:
            setattr(message, name, value(described, dice))
    elif not described.is_repeated:
        altered(getattr(message, name), dice)
    elif inner := getattr(message, name):
        altered(dice.choice(inner), dice)
    return message


@cache
def sound() -> bytes:
    pair = exchange(role=result_pb2.EXCHANGE_ROLE_PAIR)
    now_us = time.time_ns() // 1000
    return encoded_result(1, 1, exchanges=[pair, exchange()], slot_at_us=now_us)


def check_row(row: bytes, columns: dict[str, str]) -> None:
    for name, cell in named(row, columns).items():
        if isinstance(cell, str):
            assert "\0" not in cell, name
            assert len(cell) <= wire.TEXT_MAX, name


def certificate(dice: random.Random) -> None:
    certificates.certificate.__wrapped__(harmed(der(), dice))


@cache
def der() -> bytes:
    certificate = x509.load_pem_x509_certificate(Issuer().pem)
    return certificate.public_bytes(serialization.Encoding.DER)


def assignments(dice: random.Random) -> None:
    """What a collector wants probed, until the first slots."""
    take_assignments(monitor_pb2.Assignments.FromString(made(monitor_pb2.Assignments, dice)))


def take_assignments(message: monitor_pb2.Assignments) -> None:
    schedule = Schedule(SystemClock())
    schedule.assign(agent_wire.assignments(message).assignments)
    schedule.due()
    schedule.wait_us()


def conversation(dice: random.Random) -> None:
    """What a collector says on a stream, a few messages after another."""
    with tempfile.TemporaryDirectory(prefix="vantage-fuzz-") as directory, ExitStack() as ended:
        spool = Spool(Path(directory), sync=lambda descriptor: None)
        # Of many thousands of cases each would leave a file open.
        ended.callback(lambda: spool.running.seal())
        spool.append([b"result %d" % number for number in range(5)])
        stream = Stream(
            None,  # type: ignore[arg-type] # nothing is read or written
            spool,
            collector="c",
            version="v",
            pace=Pace(),
            events=deque(),
            on_assignments=take_assignments,
            on_run_now=lambda run_now: None,
        )
        for _ in range(6):
            stream._next_message()
            message = delivery_pb2.CollectorMessage.FromString(
                made(delivery_pb2.CollectorMessage, dice)
            )
            if message.HasField("welcome") and dice.random() < 0.8:
                message.welcome.incarnation = spool.running.id
            stream._handle(message)


def page(dice: random.Random) -> None:
    """What a target says that is watched as a page: its HTML, a style sheet, a choice of images."""
    text = "".join(dice.choice(MARKUP) for _ in range(dice.randint(1, 40)))
    of_html(harmed(text.encode("utf-8", "replace"), dice), "https://shop.example/dir/")
    of_css(text, "https://shop.example/dir/")
    chosen_of(text)


def answer(dice: random.Random) -> None:
    """A name server's answer, with records of any type and class that hold anything."""
    question = Question("shop.example", RdataType.A)
    records = [
        struct.pack("!HHHIH", 0xC00C, dice.choice(TYPES), dice.choice((1, 3, 255)), 60, len(data))
        + data
        for data in (dice.randbytes(dice.choice((0, 1, 4, 16, 40))) for _ in range(3))
    ]
    header = question.wire[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0)
    wire = header + question.wire[12:] + b"".join(records)
    wire = harmed(wire, dice) if dice.random() < 0.3 else wire
    question.plain_answer(wire)
    question.plain_error(wire)
    kind, message = dns_answer.match(wire, {RdataType.A: question})
    if kind is not None and message is not None:
        dns_answer.read(message, kind, ("192.0.2.53", 53), 1)
        "\n".join(question_scheme._records(message))


# What takes a case, and what it may refuse it with.
Subject = tuple[Callable[[random.Random], None], tuple[type[Exception], ...]]
SUBJECTS: dict[str, Subject] = {
    "collector: a result": (result, (wire.RefusedResult,)),
    "collector: a certificate": (certificate, ()),
    "agent: assignments": (assignments, (DecodeError,)),
    "agent: a conversation": (conversation, (DecodeError, AgentError)),
    "agent: a page": (page, ()),
    "agent: a name server's answer": (answer, ()),
}
