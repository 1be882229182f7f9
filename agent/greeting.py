"""What the servers of each protocol say first, and what says that all is well. Pure.

A monitor goes no further: it never signs in, and asks for nothing.

Source: RFC 5321 (SMTP, 3.1), RFC 9051 (IMAP, 7.1), RFC 1939 (POP3, 4), RFC 959 (FTP, 4.2),
RFC 4253 (SSH, 4.2), MQTT 3.1.1 (3.1, 3.2).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_BYTES = 64 * 1024
# They are read anew with whatever comes, and it may come byte by byte.
_LINES_MAX = 200


@dataclass(frozen=True, slots=True)
class Said:
    """A whole greeting, as text; ``is_refusal``: it turns us away."""

    text: str
    is_refusal: bool = False


# Takes all that was received; None: more is to come. Raises: ValueError for another protocol.
Reader = Callable[[bytes], Said | None]


@dataclass(frozen=True, slots=True)
class Greeting:
    """How one protocol begins and ends. ``opening``: makes what we say first."""

    read: Reader
    opening: Callable[[], bytes] = bytes
    closing: bytes = b""


def _text(received: bytes) -> str:
    return received.decode("utf-8", "replace").strip()


def _lines(received: bytes) -> Iterator[bytes]:
    """Yield whole lines only. Raises: ValueError behind so many that it is no greeting."""
    lines = received.split(b"\n", _LINES_MAX)[:-1]
    yield from lines
    if len(lines) == _LINES_MAX:
        raise ValueError(f"a greeting has no more than {_LINES_MAX} lines")


def _read_code(received: bytes) -> Said | None:
    """Read a reply of SMTP or FTP: 220 and text, or 220-, any lines, 220 and text."""
    is_begun = len(received) > 3 or b"\n" in received
    if is_begun and not re.match(rb"[1-5]\d\d[ \r\n-]", received[:4].ljust(4)):
        raise ValueError("a reply begins with three digits")
    reply = []
    for line in _lines(received):
        reply.append(line)
        if line[:3] == received[:3] and line[3:4] != b"-":
            return Said(_text(b"\n".join(reply)), is_refusal=line[:1] != b"2")
    return None


def _read_first_line(good: bytes, bad: bytes) -> Reader:
    """Make a reader of one line that begins in one of two ways."""

    def read(received: bytes) -> Said | None:
        line, end, _ = received.partition(b"\n")
        if end and re.match(good, line, re.IGNORECASE):
            return Said(_text(line))
        if end and re.match(bad, line, re.IGNORECASE):
            return Said(_text(line), is_refusal=True)
        if end:
            raise ValueError("the first line is none of this protocol's")
        return None

    return read


def _read_ssh(received: bytes) -> Said | None:
    """Read an identification; lines may come before it."""
    for line in _lines(received):
        if line.startswith((b"SSH-2.0-", b"SSH-1.99-")):
            return Said(_text(line))
        if line.startswith(b"SSH-"):
            raise ValueError("it is an obsolete version of SSH")
    return None


_CONNACK = {
    0: "accepted",
    1: "protocol version not supported",
    2: "client identifier refused",
    3: "server unavailable",
    4: "user name and password wanted",
    5: "not authorized",
}
# A server that wants to know who we are is at work.
_AT_WORK = (0, 4, 5)


def _mqtt_connect() -> bytes:
    """Word a CONNECT without credentials; two clients of one name would end each other."""
    name = f"vantage-{secrets.token_hex(6)}".encode()
    payload = b"\0\4MQTT\4\2\0\x3c" + len(name).to_bytes(2, "big") + name
    return b"\x10" + bytes([len(payload)]) + payload


def _read_connack(received: bytes) -> Said | None:
    if not b"\x20\x02".startswith(received[:2]):
        raise ValueError("it is no CONNACK")
    if len(received) < 4:
        return None
    code = received[3]
    return Said(f"CONNACK {code} {_CONNACK.get(code, 'unknown')}", is_refusal=code not in _AT_WORK)


_SMTP = Greeting(_read_code, closing=b"QUIT\r\n")
_IMAP = Greeting(_read_first_line(rb"\* (OK|PREAUTH)\b", rb"\* BYE\b"), closing=b"a LOGOUT\r\n")
_POP3 = Greeting(_read_first_line(rb"\+OK\b", rb"-ERR\b"), closing=b"QUIT\r\n")
_FTP = Greeting(_read_code, closing=b"QUIT\r\n")
_SSH = Greeting(_read_ssh)
_MQTT = Greeting(_read_connack, opening=_mqtt_connect, closing=b"\xe0\0")

GREETINGS = {
    "smtp": _SMTP,
    "smtps": _SMTP,
    "imap": _IMAP,
    "imaps": _IMAP,
    "pop3": _POP3,
    "pop3s": _POP3,
    "ftp": _FTP,
    "ftps": _FTP,
    "ssh": _SSH,
    "sftp": _SSH,
    "mqtt": _MQTT,
    "mqtts": _MQTT,
}
