"""The keys that open what is sealed: a file, one key a line, the newest first.

Who reads the database, or a copy of it, has no key; who has the file alone has nothing to open.
collector.sealing makes a private key of each.
"""

from __future__ import annotations

import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

from collector.errors import CollectorError, reason

KEY_BYTES = 32


class Keyring:
    """The keys of one file, read again whenever it changes.

    Every method raises CollectorError when the file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seen: tuple[int, int] | None = None
        self.keys: dict[str, bytes] = {}

    @property
    def exists(self) -> bool:
        """Whether there is such a file."""
        return self.file.exists()

    @property
    def newest(self) -> tuple[str, bytes]:
        """The id of the key in use, and the key."""
        self.read()
        return next(iter(self.keys.items()))

    def key(self, key_id: str) -> bytes | None:
        """Return a key of the file. None: it has none of this id."""
        self.read()
        return self.keys.get(key_id)

    def add(self) -> str:
        """Make a key, the newest from now on, and the file where it is missing; return its id."""
        if self.exists:
            self.read()
        key = secrets.token_bytes(KEY_BYTES)
        self.write([key, *self.keys.values()])
        return identity(key)

    def keep(self, key_ids: Collection[str]) -> list[str]:
        """Take away every key but the newest and those named; return the ids of what went."""
        self.read()
        newest = next(iter(self.keys))
        gone = [each for each in self.keys if each != newest and each not in key_ids]
        if gone:
            self.write([key for key_id, key in self.keys.items() if key_id not in gone])
        return gone

    def read(self) -> None:
        """Take in the file as it is now."""
        try:
            status = self.file.stat()
            if (status.st_mtime_ns, status.st_ino) == self.seen:
                return
            if status.st_mode & 0o077:
                raise CollectorError(
                    f"{self.file} holds keys and may be read by others: chmod 600 {self.file}"
                )
            keys = [b64decode(line, validate=True) for line in self.file.read_text().split()]
        except (OSError, ValueError) as error:
            raise CollectorError(
                f"The key file {self.file} cannot be read: {reason(error)}. Restore it from its"
                " backup, or name another with --secret-key-file."
            ) from error
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise CollectorError(f"The key file {self.file} holds no keys. Restore its backup.")
        self.keys = {identity(key): key for key in keys}
        self.seen = (status.st_mtime_ns, status.st_ino)

    def write(self, keys: list[bytes]) -> None:
        """Replace the file, whole and durably."""
        fresh = self.file.with_name(f".{self.file.name}.new")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.writelines(b64encode(key).decode() + "\n" for key in keys)
                out.flush()
                os.fsync(descriptor)
            fresh.replace(self.file)
        except OSError as error:
            raise CollectorError(
                f"The key file {self.file} cannot be written: {error.strerror}. Name another with"
                " --secret-key-file."
            ) from error
        self.seen = None
        self.read()


def identity(key: bytes) -> str:
    """Name a key without telling it."""
    return sha256(b"vantage secret key" + key).hexdigest()[:16]
