"""Secrets as they were sealed while a monitor had one row for all: read, never written any more.

AES-256-GCM with a key of the keyring, the monitor's id as associated data. `secret.make_settable`
seals them anew when a collector starts, so that this file may go in the release after the next.
"""

from __future__ import annotations

import json

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from collector.errors import CollectorError
from collector.keyring import Keyring


def open_together(
    keyring: Keyring, monitor_id: int, key_id: str, nonce: bytes, sealed: bytes
) -> dict[str, str]:
    """Return a monitor's secrets by their names. Raises: CollectorError."""
    key = keyring.key(key_id)
    if key is None:
        raise CollectorError(
            f"The secrets of monitor {monitor_id} need the key {key_id}, which {keyring.file}"
            " lacks. Bring that key back, or set them anew: vantage secrets set"
        )
    try:
        content = AESGCM(key).decrypt(nonce, sealed, f"vantage.monitors/{monitor_id}".encode())
    except InvalidTag as error:
        raise CollectorError(
            f"The secrets of monitor {monitor_id} do not open: they were changed, or sealed for"
            " another monitor. Set them anew: vantage secrets set"
        ) from error
    found = json.loads(content)
    by_name: dict[str, str] = {}
    for name, value in found["headers"]:
        # One row has one name; this is what several headers of one name mean (RFC 9110, 5.3).
        by_name[name] = f"{by_name[name]}, {value}" if name in by_name else value
    if found["client_key"] is not None:
        by_name["client key"] = found["client_key"]
    if found["proxy"] is not None:
        by_name["proxy password"] = ":".join(found["proxy"])
    return by_name
