"""Unpacking: what is wanted, in its place, and never outside."""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

import pytest

from collector.debian.archive import ArchiveError, unpack
from tests.support.signed_archive import Member, deb


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def unpacked(tmp_path: Path, members: dict[str, Member], wanted: str = "usr") -> Path:
    package = tmp_path / "package.deb"
    package.write_bytes(deb(members))
    root = tmp_path / "root"
    root.mkdir()
    unpack(package, root, wants=lambda path: path.is_relative_to(PurePosixPath(wanted)))
    return root


def test_wanted_files_arrive_with_their_modes_and_nothing_else(tmp_path: Path) -> None:
    setuid = tarfile.TarInfo("./usr/bin/fifo")
    setuid.type = tarfile.FIFOTYPE
    root = unpacked(
        tmp_path,
        {"./usr/bin/x": b"#!/bin/sh\n", "./usr/y": b"y", "./etc/z": b"z", "fifo": setuid},
    )
    files = {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()}
    assert files == {"usr/bin/x", "usr/y"}
    assert (root / "usr/bin/x").stat().st_mode & 0o7777 == 0o755
    assert (root / "usr/y").stat().st_mode & 0o7777 == 0o644


def test_folders_from_before_the_merge_of_usr_are_mapped(tmp_path: Path) -> None:
    root = unpacked(tmp_path, {"./lib/a.so.1": b"a", "l": link("./usr/lib/a.so", "/lib/a.so.1")})
    assert (root / "usr/lib/a.so").read_bytes() == b"a"
    assert (root / "usr/lib/a.so").readlink() == Path("a.so.1")


def test_links_stay_relative_and_hard_links_become_copies(tmp_path: Path) -> None:
    root = unpacked(
        tmp_path,
        {
            "./usr/lib/a/one": b"1",
            "s": link("./usr/share/two", "../lib/a/one"),
            "h": link("./usr/share/three", "./usr/lib/a/one", tarfile.LNKTYPE),
        },
    )
    root = root.rename(tmp_path / "moved")
    assert (root / "usr/share/two").read_bytes() == b"1"
    assert (root / "usr/share/three").read_bytes() == b"1"


@pytest.mark.parametrize(
    "members",
    [
        {"../escaped": b"x"},
        {"./usr/../../escaped": b"x"},
        {"/escaped": b"x"},
        {"l": link("./usr/out", "../../escaped"), "./usr/out": b"x"},
        {"l": link("./usr/out", "../.."), "./usr/out/escaped": b"x"},
        {"h": link("./usr/in", "../escaped", tarfile.LNKTYPE)},
    ],
)
def test_nothing_leaves_the_folder(tmp_path: Path, members: dict[str, Member]) -> None:
    (tmp_path / "escaped").write_bytes(b"before")
    with pytest.raises(ArchiveError, match="leads out of the folder"):
        unpacked(tmp_path, members, wanted="")
    assert (tmp_path / "escaped").read_bytes() == b"before"


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"!<arch>\n", deb({"./usr/x": b"x" * 99})[:-60]]
)
def test_what_is_no_package_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    package = tmp_path / "broken.deb"
    package.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"broken\.deb"):
        unpack(package, tmp_path, wants=lambda _: True)
