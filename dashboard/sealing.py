"""What is kept from everybody here: sealed to the collectors' public key, never opened here.

HPKE (RFC 9180) to the key in ``report.sealing_keys``, bound to whose it is; collector/sealing.py
opens it.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class SealingKey:
    """The public key in use."""

    key_id: str
    public_key: bytes

    def seal(self, bound: str, content: str) -> bytes:
        """Seal a text. ``bound``: whose it is, as collector/sealing.py has it."""
        public_key = X25519PublicKey.from_public_bytes(self.public_key)
        return SUITE.encrypt(content.encode(), public_key, info=bound.encode())
