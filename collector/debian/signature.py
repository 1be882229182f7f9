"""The signature of a release's index.

Debian 12 brings gpgv to check it, Debian 13 sqv; either will do.
Source: gpgv(1) and doc/DETAILS of GnuPG for the status lines; sqv(1).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from collector.errors import CollectorError

KEYRINGS = Path("/usr/share/keyrings")


class SignatureError(CollectorError):
    """The signature is wrong, or cannot be checked here."""


def archive_keyrings(folder: Path = KEYRINGS) -> list[Path]:
    """Debian's own keyrings on this machine, less the one of retired keys."""
    found = [
        path for suffix in ("gpg", "pgp") for path in folder.glob(f"debian-archive-*.{suffix}")
    ]
    return sorted(path for path in found if "removed" not in path.name)


def verified_text(signed: bytes, keyrings: Sequence[Path]) -> str:
    """Return the text that a key of ``keyrings`` signed; never a byte around it.

    Release files bear several signatures and old machines lack the newest keys: one good signature
    is enough, one bad one too many.
    Raises: SignatureError.
    """
    if not keyrings:
        raise SignatureError(
            f"Cannot check the signature of Debian's index: {KEYRINGS} holds none of Debian's"
            " keys; install the package debian-archive-keyring, or accept any index with"
            " --insecure-mirror."
        )
    if signed.count(b"-----BEGIN PGP SIGNED MESSAGE-----") != 1:
        raise SignatureError(f"{BAD}: it is not one signed text.")
    with tempfile.TemporaryDirectory(prefix="vantage-") as folder:
        message, text = Path(folder, "InRelease"), Path(folder, "Release")
        message.write_bytes(signed)
        if shutil.which("gpgv"):
            _check_with_gpgv(message, text, keyrings)
        elif shutil.which("sqv"):
            _check_with_sqv(message, text, keyrings)
        else:
            raise SignatureError(
                "Cannot check the signature of Debian's index: this machine has neither gpgv nor"
                " sqv; install the package gpgv, or accept any index with --insecure-mirror."
            )
        return text.read_text().rstrip("\n") + "\n"  # of which sqv keeps none


BAD = "The mirror's index is not signed by Debian"


def _check_with_gpgv(message: Path, text: Path, keyrings: Sequence[Path]) -> None:
    keys = [argument for keyring in keyrings for argument in ("--keyring", str(keyring))]
    done = subprocess.run(
        ["gpgv", "--homedir", message.parent, "--status-fd", "1", *keys, "--output", text, message],
        capture_output=True,
        text=True,
        check=False,
    )
    # The exit status also tells of signatures by keys this machine does not have yet.
    said = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("[GNUPG:] ")}
    if "GOODSIG" not in said or "BADSIG" in said:
        raise SignatureError(f"{BAD}: {_last_line(done.stderr)}.")


def _check_with_sqv(message: Path, text: Path, keyrings: Sequence[Path]) -> None:
    keys = [argument for keyring in keyrings for argument in ("--keyring", str(keyring))]
    done = subprocess.run(
        ["sqv", *keys, "--output", text, "--cleartext", message],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SignatureError(f"{BAD}: {_last_line(done.stderr)}.")


def _last_line(words: str) -> str:
    return (words.strip().splitlines() or ["no signature was found"])[-1].rstrip(".")
