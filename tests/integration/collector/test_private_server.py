"""Fetching the database server from a small signed archive on loopback, with every mishap."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.debian.index import read_release
from collector.debian.mirror import Mirror
from collector.debian.signature import SignatureError
from collector.errors import CollectorError
from collector.postgres import Server
from collector.private_install import install, is_whole
from collector.private_server import CODENAME, fetched_server, find_release, this_platform
from collector.progress import silent
from tests.support.signed_archive import Archive, LoopbackMirror, server_archive, serving

FETCH = """
import sys
from pathlib import Path
from collector.private_server import fetched_server
fetched_server(cache=Path(sys.argv[1]), mirror=sys.argv[2], insecure_mirror=True, progress=print)
"""


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return server_archive(tmp_path / "archive")


@pytest.fixture
def mirror(archive: Archive) -> Iterator[LoopbackMirror]:
    with serving(archive.root) as mirror:
        yield mirror


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "a cache"


def fetch(mirror: LoopbackMirror, cache: Path) -> Server:
    return fetched_server(cache=cache, mirror=mirror.url, insecure_mirror=True, progress=silent)


def fetching(mirror: LoopbackMirror, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, str(cache), mirror.url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def debs(mirror: LoopbackMirror) -> list[str]:
    return [path.rpartition("/")[2] for path in mirror.requests if path.endswith(".deb")]


def test_a_signed_archive_becomes_a_server(
    archive: Archive, mirror: LoopbackMirror, cache: Path
) -> None:
    release = find_release([mirror.url], insecure=False, keyrings=[archive.keyring()])
    steps: list[tuple[str, int, int]] = []
    install(
        release,
        this_platform(),
        cache,
        cache / "server",
        lambda step, done=0, total=0: steps.append((step, done, total)),
    )
    assert (cache / "server/usr/lib/postgresql/17/bin/postgres").exists()
    assert not (cache / "server/usr/share/doc").exists()
    assert not any("libllvm" in name for name in debs(mirror))
    fetched = [(done, total) for step, done, total in steps if step == "Fetching 6 packages"]
    assert fetched[-1][0] == fetched[-1][1] > 0
    assert steps[-1][0] == "Unpacking the database server"
    assert sorted(path.name for path in cache.iterdir()) == ["server"]


def test_an_index_that_was_tampered_with_is_refused(
    archive: Archive, mirror: LoopbackMirror
) -> None:
    inrelease = archive.root / "dists/trixie/InRelease"
    signed = inrelease.read_bytes()
    inrelease.write_bytes(signed.replace(b"Hash: yes", b"Hash: no"))
    assert inrelease.read_bytes() != signed
    keyring = archive.keyring()
    with pytest.raises(SignatureError, match="not signed by Debian"):
        find_release([mirror.url], insecure=False, keyrings=[keyring])


def test_debians_own_keys_do_not_vouch_for_a_stranger(mirror: LoopbackMirror) -> None:
    with pytest.raises(SignatureError, match="not signed by Debian"):
        find_release([mirror.url], insecure=False)


def test_a_second_call_asks_the_mirror_nothing(mirror: LoopbackMirror, cache: Path) -> None:
    fetch(mirror, cache)
    asked = len(mirror.requests)
    assert fetch(mirror, cache).program("postgres").startswith(str(cache))
    assert len(mirror.requests) == asked


@pytest.mark.parametrize("harm", ["removed", "cut short"])
def test_a_damaged_server_is_repaired(mirror: LoopbackMirror, cache: Path, harm: str) -> None:
    postgres = Path(fetch(mirror, cache).program("postgres"))
    whole = postgres.read_bytes()
    postgres.unlink() if harm == "removed" else postgres.write_bytes(whole[:5])
    fetch(mirror, cache)
    assert postgres.read_bytes() == whole


def test_a_package_that_does_not_match_its_checksum_is_never_unpacked(
    archive: Archive, mirror: LoopbackMirror, cache: Path
) -> None:
    deb = archive.root / "pool/main/postgresql-17_1.0_all.deb"
    content = bytearray(deb.read_bytes())
    content[-5] ^= 1
    deb.write_bytes(content)
    release = find_release([mirror.url], insecure=True)
    release.mirror = Mirror(mirror.url, pauses_s=())
    with pytest.raises(CollectorError, match=r"postgresql-17_1\.0_all\.deb.*checksum"):
        install(release, this_platform(), cache, cache / "server", silent)
    assert not is_whole(cache / "server")


def test_a_killed_download_goes_on_where_it_was(mirror: LoopbackMirror, cache: Path) -> None:
    mirror.stalled = "timescaledb_1.0_all.deb"
    with fetching(mirror, cache) as process:
        assert mirror.is_stalling.wait(20)
        while len(list(cache.glob("downloads/*.deb"))) < 5:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    mirror.stalled = None
    mirror.go_on.set()
    spoilt = cache / "downloads/libpq5_1.0_all.deb"
    spoilt.write_bytes(b"spoilt")
    mirror.requests.clear()
    fetch(mirror, cache)
    assert sorted(debs(mirror)) == [spoilt.name, "postgresql-17-timescaledb_1.0_all.deb"]
    assert not (cache / "downloads").exists()


def test_ctrl_c_ends_a_download_at_once(mirror: LoopbackMirror, cache: Path) -> None:
    mirror.stalled = "timescaledb_1.0_all.deb"
    with fetching(mirror, cache) as process:
        assert mirror.is_stalling.wait(20)
        process.send_signal(signal.SIGINT)
        mirror.go_on.set()
        assert process.wait(15) != 0


def test_two_at_once_fetch_once(mirror: LoopbackMirror, cache: Path) -> None:
    mirror.stalled = "timescaledb_1.0_all.deb"
    with fetching(mirror, cache) as first:
        assert mirror.is_stalling.wait(20)
        with fetching(mirror, cache) as second:
            assert second.stdout is not None
            assert second.stdout.readline().startswith("Waiting for another Vantage")
            mirror.stalled = None
            mirror.go_on.set()
            assert (first.wait(30), second.wait(30)) == (0, 0)
            assert second.stdout.read() == ""
    assert sum("client" in name for name in debs(mirror)) == 1


def test_without_a_mirror_every_way_on_is_named() -> None:
    with pytest.raises(CollectorError, match=r"--mirror URL.*--database URL.*compose"):
        find_release([], insecure=False)


def test_a_mirror_without_the_release_is_passed_over(
    archive: Archive, mirror: LoopbackMirror
) -> None:
    addresses = [f"{mirror.url}/other", mirror.url]
    release = find_release(addresses, insecure=False, keyrings=[archive.keyring()])
    assert release.mirror.url == mirror.url
    with pytest.raises(CollectorError, match=r"has no dists/trixie/InRelease.*--mirror URL"):
        find_release(addresses[:1], insecure=False)


def test_a_packages_list_found_only_under_its_plain_name(
    archive: Archive, mirror: LoopbackMirror, tmp_path: Path
) -> None:
    for path in archive.root.rglob("by-hash/SHA256/*"):
        path.unlink()
    release = read_release(
        Mirror(mirror.url), CODENAME, keyrings=[archive.keyring()], insecure=False
    )
    release.save_packages("amd64", tmp_path / "Packages.xz")
    assert (tmp_path / "Packages.xz").stat().st_size == release.packages_size("amd64")


def test_a_cache_that_cannot_be_written_is_named(mirror: LoopbackMirror, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        CollectorError, match=r"Cannot install the database server in .*/file/cache"
    ):
        fetch(mirror, tmp_path / "file/cache")
