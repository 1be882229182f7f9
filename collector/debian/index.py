"""A release's index: which packages there are, and their checksums.

Every checksum hangs on the signed text; nothing unsigned is believed. A mirror that serves an old
but genuine index is not noticed: stable releases bear no expiry.
Source: https://wiki.debian.org/DebianRepository/Format
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.debian.mirror import Mirror, NotOnMirrorError
from collector.debian.signature import verified_text
from collector.errors import CollectorError

INRELEASE_LIMIT_BYTES = 4 * 1024 * 1024


class ReleaseError(CollectorError):
    """The mirror's index is not that of the release that was asked for."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package of a release; ``depends`` and ``provides`` as the index words them."""

    name: str
    version: str
    filename: str
    size: int
    sha256: str
    depends: str
    provides: str


@dataclass(frozen=True, slots=True)
class Checksum:
    """Of one index file."""

    sha256: str
    size: int


class Release:
    """A release on a mirror, by its codename."""

    def __init__(self, mirror: Mirror, codename: str, text: str) -> None:
        self.mirror = mirror
        self.codename = codename
        self._checksums = _checksums(text)
        stated = re.search(r"^Codename: (\S+)$", text, re.MULTILINE)
        if stated is None or stated[1] != codename:
            raise ReleaseError(
                f"{mirror.url} serves {stated[1] if stated else 'something else'} as {codename};"
                " name another mirror with --mirror URL."
            )

    def save_packages(
        self, architecture: str, to: Path, advance: Callable[[int], None] = lambda _: None
    ) -> None:
        """Fetch the compressed list of packages. Raises: MirrorError, ReleaseError."""
        path = f"main/binary-{architecture}/Packages.xz"
        checksum = self._checksum(path)
        folder, _, _ = path.rpartition("/")
        # By its checksum first: the plain name may change while a mirror is being updated.
        for name in (f"{folder}/by-hash/SHA256/{checksum.sha256}", path):
            try:
                self.mirror.save(
                    f"dists/{self.codename}/{name}",
                    to,
                    size=checksum.size,
                    sha256=checksum.sha256,
                    advance=advance,
                )
            except NotOnMirrorError:
                if name == path:
                    raise
            else:
                return

    def packages_size(self, architecture: str) -> int:
        """Return the size of the compressed list of packages, in bytes."""
        return self._checksum(f"main/binary-{architecture}/Packages.xz").size

    def _checksum(self, path: str) -> Checksum:
        try:
            return self._checksums[path]
        except KeyError:
            raise ReleaseError(f"{self.mirror.url} has no {path} in {self.codename}.") from None


def read_release(
    mirror: Mirror, codename: str, *, keyrings: Sequence[Path], insecure: bool
) -> Release:
    """Fetch and check the signed index; ``insecure`` believes it unchecked.

    Raises: MirrorError, ReleaseError, SignatureError.
    """
    signed = mirror.read(f"dists/{codename}/InRelease", limit_bytes=INRELEASE_LIMIT_BYTES)
    text = signed.decode(errors="replace") if insecure else verified_text(signed, keyrings)
    return Release(mirror, codename, text)


def read_packages(packages_xz: Path) -> list[Package]:
    """Parse a compressed list of packages. Raises: ReleaseError."""
    try:
        with lzma.open(packages_xz, "rt", encoding="utf-8") as lines:
            return [_package(fields) for fields in _stanzas(lines)]
    except (lzma.LZMAError, EOFError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise ReleaseError(f"The list of packages cannot be read: {error}.") from error


def _stanzas(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in lines:
        if line == "\n":
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace():  # continuation lines belong to fields that nobody here reads
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    if fields:
        yield fields


def _package(fields: dict[str, str]) -> Package:
    depends = (fields.get("Pre-Depends", ""), fields.get("Depends", ""))
    return Package(
        name=fields["Package"],
        version=fields["Version"],
        filename=fields["Filename"],
        size=int(fields["Size"]),
        sha256=fields["SHA256"],
        depends=", ".join(filter(None, depends)),
        provides=fields.get("Provides", ""),
    )


def _checksums(text: str) -> dict[str, Checksum]:
    _, _, section = text.partition("\nSHA256:\n")
    checksums = {}
    for line in section.splitlines():
        if not line.startswith(" "):
            break
        sha256, size, path = line.split()
        checksums[path] = Checksum(sha256, int(size))
    return checksums
