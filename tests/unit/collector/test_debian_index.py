"""The signed index and the list of packages."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from collector.debian.index import Release, ReleaseError, read_packages
from collector.debian.mirror import Mirror

TEXT = "Suite: stable\nCodename: trixie\nSHA256:\n abc 12 main/binary-amd64/Packages.xz\nX: y\n"
MIRROR = Mirror("http://127.0.0.1:9")


def test_checksums_are_read_from_the_signed_text() -> None:
    assert Release(MIRROR, "trixie", TEXT).packages_size("amd64") == 12


def test_another_release_under_this_name_is_refused() -> None:
    with pytest.raises(ReleaseError, match="serves trixie as forky"):
        Release(MIRROR, "forky", TEXT)


def test_an_architecture_that_is_missing_is_named() -> None:
    with pytest.raises(ReleaseError, match="binary-arm64"):
        Release(MIRROR, "trixie", TEXT).packages_size("arm64")


def test_stanzas_become_packages(tmp_path: Path) -> None:
    path = tmp_path / "Packages.xz"
    path.write_bytes(
        lzma.compress(
            b"Package: a\nVersion: 1:2-3\nFilename: pool/a.deb\nSize: 7\nSHA256: ff\n"
            b"Pre-Depends: b\nDepends: c, d\nDescription: short\n Package: not one\n\n\n"
            b"Package: z\nVersion: 1\nFilename: pool/z.deb\nSize: 8\nSHA256: ee\n"
        )
    )
    first, second = read_packages(path)
    assert (first.name, first.version, first.size, first.depends) == ("a", "1:2-3", 7, "b, c, d")
    assert (second.name, second.depends, second.provides) == ("z", "", "")


@pytest.mark.parametrize(
    "content", [b"", b"garbage", lzma.compress(b"Package: a\n"), lzma.compress(b"x" * 999)[:-40]]
)
def test_a_list_that_cannot_be_read_is_said_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "Packages.xz"
    path.write_bytes(content)
    with pytest.raises(ReleaseError, match="cannot be read"):
        read_packages(path)
