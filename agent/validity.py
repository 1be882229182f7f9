"""When a certificate ends, read from its DER. Pure.

The one thing an agent needs of a certificate. The cryptography package would take 9 MB of memory
for it, and a tenth of a second of the probing thread when it is loaded.

Source: RFC 5280, sections 4.1 and 4.1.2.5; X.690, section 8.1.
"""

from __future__ import annotations

from datetime import UTC, datetime

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
# serialNumber, signature, issuer: what stands before the validity.
_BEFORE_VALIDITY = 3


def expires_at_us(certificate: bytes) -> int | None:
    """Return notAfter in Unix microseconds; None: it cannot be read."""
    try:
        return _not_after(certificate)
    except (IndexError, ValueError, OverflowError):
        return None


def _not_after(certificate: bytes) -> int:
    rest, _ = _enter(certificate, _SEQUENCE)
    rest, _ = _enter(rest, _SEQUENCE)
    if rest[0] == _VERSION:
        _, rest = _enter(rest, _VERSION)
    for _ in range(_BEFORE_VALIDITY):
        _, rest = _enter(rest)
    validity, _ = _enter(rest, _SEQUENCE)
    _, rest = _enter(validity)
    kind = rest[0]
    moment, _ = _enter(rest)
    text = moment.decode("ascii")
    if kind == _UTC_TIME:
        # Two digits of a year, from 1950 to 2049.
        text = ("19" if text[:2] >= "50" else "20") + text
    elif kind != _GENERALIZED_TIME:
        raise ValueError(kind)
    ends_at = datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    return int(ends_at.timestamp()) * 1_000_000


def _enter(data: bytes, expected: int | None = None) -> tuple[bytes, bytes]:
    """Take one value apart from what follows; ``expected``: its tag. Raises: ValueError."""
    if expected is not None and data[0] != expected:
        raise ValueError(data[0])
    length, at = data[1], 2
    if length & 0x80:
        at += length & 0x7F
        length = int.from_bytes(data[2:at], "big")
    if at + length > len(data):
        raise ValueError(length)
    return data[at : at + length], data[at + length :]
