"""Which mirror a machine uses, in every way apt lets it be written; fetching with a bad line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.debian.mirror import Mirror, MirrorError, NotOnMirrorError, machine_mirrors
from tests.support.signed_archive import LoopbackMirror, serving

CONTENT = b"content" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def write_apt(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", "deb http://mirror.example/debian bookworm main contrib\n"),
        ("sources.list", "# deb http://old.example/debian bookworm main\n"
         "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ stable main # ours\n"),
        ("sources.list.d/debian.list", "deb-src http://src.example/debian bookworm main\n"
         "deb http://mirror.example/debian bookworm main\n"),
        ("sources.list.d/debian.sources", "Types: deb deb-src\nURIs: http://mirror.example/debian\n"
         "Suites: bookworm bookworm-updates\nComponents: main\n"),
        ("sources.list.d/debian.sources", "# a comment\nTypes: deb\nURIs:\n  cdrom:x\n"
         "  http://mirror.example/debian\nSuites: trixie\n# another\nComponents: main\nSigned-By:\n"
         " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"),
        ("sources.list.d/debian.sources", "Enabled: no\nTypes: deb\nURIs: http://off.example/debian\n"
         "Suites: trixie\nComponents: main\n\nTypes: deb\nURIs: http://mirror.example/debian\n"
         "Suites: trixie\nComponents: main\n"),
    ],
)  # fmt: skip
def test_the_mirror_is_read_from_apt(tmp_path: Path, name: str, text: str) -> None:
    assert machine_mirrors(write_apt(tmp_path, {name: text})) == ["http://mirror.example/debian"]


def test_a_mirror_list_of_a_cloud_image_is_followed(tmp_path: Path) -> None:
    mirrors = tmp_path / "debian.list"
    mirrors.write_text("# mirrors\nhttps://mirror.example/debian priority:1\n")
    source = f"Types: deb\nURIs: mirror+file://{mirrors}\nSuites: bookworm\nComponents: main\n"
    apt = write_apt(tmp_path / "apt", {"sources.list.d/debian.sources": source})
    assert machine_mirrors(apt) == ["https://mirror.example/debian"]


def test_debian_is_asked_before_third_parties_and_other_archives_never(tmp_path: Path) -> None:
    sources = """
deb https://charts.example stable main
deb http://security.example/debian-security bookworm-security main
deb http://updates.example/debian bookworm-updates main
deb http://ports.example/ubuntu noble main
deb http://contrib.example/debian bookworm contrib
deb cdrom:[Debian 12]/ bookworm main
deb file:/srv/debian bookworm main
deb http://mirror.example/debian bookworm main
"""
    apt = write_apt(tmp_path, {"sources.list": sources})
    assert machine_mirrors(apt) == ["http://mirror.example/debian", "https://charts.example"]


def test_a_machine_without_apt_names_no_mirror(tmp_path: Path) -> None:
    assert machine_mirrors(tmp_path / "absent") == []


@pytest.mark.parametrize("url", ["", "mirror.example/debian", "ftp://mirror.example", "http:///x"])
def test_an_address_that_is_no_mirror_is_refused(url: str) -> None:
    with pytest.raises(MirrorError, match="is not the address of a Debian mirror"):
        Mirror(url)


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[LoopbackMirror]:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a~b+1.deb").write_bytes(CONTENT)
    with serving(root) as mirror:
        yield mirror


def save(mirror: Mirror, path: str, to: Path, *, sha256: str = SHA256) -> int:
    counted: list[int] = []
    mirror.save(path, to, size=len(CONTENT), sha256=sha256, advance=counted.append)
    return sum(counted)


def test_a_file_arrives_whole_and_is_counted_once(loopback: LoopbackMirror, tmp_path: Path) -> None:
    loopback.failures_left = 2
    mirror = Mirror(loopback.url, pauses_s=(0, 0, 0))
    assert save(mirror, "a~b+1.deb", tmp_path / "to") == len(CONTENT)
    assert (tmp_path / "to").read_bytes() == CONTENT
    assert len(loopback.requests) == 3


def test_a_wrong_checksum_leaves_nothing(loopback: LoopbackMirror, tmp_path: Path) -> None:
    mirror = Mirror(loopback.url, pauses_s=(0,))
    with pytest.raises(MirrorError, match="checksum"):
        save(mirror, "a~b+1.deb", tmp_path / "to", sha256="0" * 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]


def test_an_answer_that_is_too_long_is_cut_off(loopback: LoopbackMirror) -> None:
    with pytest.raises(MirrorError, match="longer than 100 bytes"):
        Mirror(loopback.url, pauses_s=()).read("a~b+1.deb", limit_bytes=100)


def test_what_is_not_there_is_not_asked_for_again(loopback: LoopbackMirror) -> None:
    with pytest.raises(NotOnMirrorError, match="has no absent"):
        Mirror(loopback.url).read("absent", limit_bytes=100)
    assert len(loopback.requests) == 1


def test_a_mirror_that_does_not_answer_is_named(loopback: LoopbackMirror) -> None:
    loopback.failures_left = 9
    with pytest.raises(MirrorError, match=f"Cannot fetch x from {loopback.url}"):
        Mirror(loopback.url, pauses_s=(0,)).read("x", limit_bytes=100)
