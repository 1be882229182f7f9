"""Unpacks .deb files without dpkg and without root.

Regular files and links only: no device, no owner, no setuid bit; nothing is ever written outside
the given folder, whatever the archive says.
Source: deb(5), ar(5).
"""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath

from collector.errors import CollectorError

AR_MAGIC = b"!<arch>\n"
AR_HEADER_BYTES = 60


class ArchiveError(CollectorError):
    """The file is no usable .deb."""


def unpack(deb: Path, root: Path, *, wants: Callable[[PurePosixPath], bool]) -> None:
    """Add the wanted files of a package to ``root``, under their paths in the system.

    Raises: ArchiveError, OSError.
    """
    try:
        with tarfile.open(fileobj=BytesIO(_data_member(deb)), mode="r:*") as archive:
            for member in archive:
                path = _path(member.name)
                if wants(path) and not member.isdir():
                    _place(archive, member, root, path)
    except (tarfile.TarError, lzma.LZMAError, EOFError, ValueError) as error:
        raise ArchiveError(f"{deb.name} cannot be unpacked: {error}.") from error


def _data_member(deb: Path) -> bytes:
    for name, content in _ar_members(deb.read_bytes()):
        if name.startswith("data.tar"):
            return content
    raise ArchiveError(f"{deb.name} holds no data.")


def _ar_members(content: bytes) -> Iterator[tuple[str, bytes]]:
    if not content.startswith(AR_MAGIC):
        raise ValueError("it is no ar archive")
    at = len(AR_MAGIC)
    while at < len(content):
        header = content[at : at + AR_HEADER_BYTES]
        size = int(header[48:58])
        at += AR_HEADER_BYTES
        if at + size > len(content):
            raise ValueError("it is cut off")
        yield header[:16].decode().strip().rstrip("/"), content[at : at + size]
        at += size + size % 2


def _path(name: str) -> PurePosixPath:
    """Return a member's path below the root, with today's merged /usr."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ArchiveError(f"{name!r} leads out of the folder.")
    if path.parts[:1] in (("bin",), ("sbin",), ("lib",), ("lib64",)):
        path = "usr" / path
    return path


def _place(
    archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, path: PurePosixPath
) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(root.resolve()):
        raise ArchiveError(f"{member.name!r} leads out of the folder through a link.")
    target.unlink(missing_ok=True)
    if member.issym():
        target.symlink_to(_link_target(member, root, path))
    elif member.islnk():
        shutil.copy2(root / _path(member.linkname), target, follow_symlinks=False)
    elif member.isfile():
        source = archive.extractfile(member)
        assert source is not None  # noqa: S101  a regular file has content
        with source, target.open("xb") as file:
            shutil.copyfileobj(source, file)
        target.chmod(0o755 if member.mode & 0o111 else 0o644)


def _link_target(member: tarfile.TarInfo, root: Path, path: PurePosixPath) -> str:
    """Return a relative target, so that the folder may be moved; absolute ones mean the root."""
    link = PurePosixPath(member.linkname)
    place = _path(str(link.relative_to("/"))) if link.is_absolute() else path.parent / link
    return os.path.relpath(_path(os.path.normpath(place)), path.parent)
