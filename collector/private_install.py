"""Makes a relocatable PostgreSQL with timescaledb out of Debian's packages.

Every program is started through the packages' own loader and finds the packages' own libraries,
so the machine's C library does not matter. LD_LIBRARY_PATH is not the way: postgres starts the
machine's shell, which must not see these libraries. Source: ld.so(8).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from collector.debian.archive import unpack
from collector.debian.closure import closure
from collector.debian.index import Package, Release, read_packages
from collector.debian.mirror import Mirror
from collector.errors import CollectorError
from collector.postgres import OLDEST_TIMESCALEDB, timescaledb_version
from collector.progress import Progress

MAJOR = 17
WANTED = (f"postgresql-{MAJOR}", f"postgresql-client-{MAJOR}", f"postgresql-{MAJOR}-timescaledb")

EXCLUDED = frozenset(
    (
        # Debian's management of clusters, in Perl; we run the programs themselves.
        *("postgresql-common", "postgresql-client-common", "ssl-cert", "sensible-utils"),
        # For installation scripts, which we do not run. Time zones are the machine's.
        *("debconf", "locales", "tzdata"),
        # Documentation, settings and plug-ins of libraries that PostgreSQL never loads.
        *("gcc-14-base", "libaudit-common", "readline-common"),
        *("libsasl2-modules-db", "openssl-provider-legacy"),
    )
)
EXCLUDED_PREFIX = "libllvm"  # the just-in-time compiler, 100 MB unpacked; jit is off

STAMP = "vantage.json"
PARALLEL = 6

WRAPPER = """\
#!/bin/sh
bin=${{0%/*}}
lib="$bin/../../../{triplet}"
exec "$lib/{loader}" --inhibit-cache --library-path "$lib" --argv0 "$bin/{name}" \\
    "$bin/.{name}.elf" "$@"
"""


@dataclass(frozen=True, slots=True)
class Platform:
    """What differs between architectures: Debian's name, the library folder, the loader."""

    architecture: str
    triplet: str
    loader: str


# By what uname calls the machine.
PLATFORMS = {
    "x86_64": Platform("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64": Platform("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}


def install(
    release: Release, platform: Platform, cache: Path, prefix: Path, progress: Progress
) -> None:
    """Fetch, check and unpack the server; it appears at ``prefix`` only whole.

    Packages that an interrupted run left in the cache are used if their checksums hold.
    Raises: CollectorError, OSError.
    """
    downloads = folder(cache / "downloads")
    packages = _needed_packages(release, platform, downloads, progress)
    debs = _download(release.mirror, packages, downloads, progress)
    progress("Unpacking the database server")
    fresh = prefix.with_name(f"{prefix.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _unpack(debs, fresh, platform)
    _wrap_programs(bin_folder(fresh), platform)
    _try_out(fresh)
    _stamp(fresh, packages)
    _replace(prefix, fresh)
    shutil.rmtree(downloads)


def is_whole(prefix: Path) -> bool:
    """Tell whether every file that was unpacked is still there, in its size."""
    try:
        stamp = json.loads((prefix / STAMP).read_text())
        return all((prefix / path).lstat().st_size == size for path, size in stamp["files"].items())
    except (OSError, ValueError, KeyError):
        return False


def bin_folder(prefix: Path) -> Path:
    """Return where the programs are."""
    return prefix / f"usr/lib/postgresql/{MAJOR}/bin"


def folder(path: Path) -> Path:
    """Make a directory that every user may read, whatever the umask: the server is another."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
    return path


class _Bytes:
    """Adds up the bytes that several threads fetch, and shows the sum."""

    def __init__(self, progress: Progress, step: str, total: int) -> None:
        self._progress, self._step, self._total = progress, step, total
        self._lock = threading.Lock()
        self._done = 0
        progress(step, 0, total)

    def advance(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._progress(self._step, self._done, self._total)


def _needed_packages(
    release: Release, platform: Platform, downloads: Path, progress: Progress
) -> list[Package]:
    size = release.packages_size(platform.architecture)
    fetched = _Bytes(progress, "Fetching Debian's list of packages", size)
    packages_xz = downloads / "Packages.xz"
    release.save_packages(platform.architecture, packages_xz, fetched.advance)
    return closure(
        WANTED,
        read_packages(packages_xz),
        is_excluded=lambda name: name in EXCLUDED or name.startswith(EXCLUDED_PREFIX),
    )


def _download(
    mirror: Mirror, packages: Sequence[Package], downloads: Path, progress: Progress
) -> list[Path]:
    total = sum(package.size for package in packages)
    fetched = _Bytes(progress, f"Fetching {len(packages)} packages", total)

    def fetch(package: Package) -> Path:
        deb = downloads / PurePosixPath(package.filename).name
        if _has_checksum(deb, package.sha256):
            fetched.advance(package.size)
        else:
            mirror.save(
                package.filename,
                deb,
                size=package.size,
                sha256=package.sha256,
                advance=fetched.advance,
            )
        return deb

    with ThreadPoolExecutor(PARALLEL) as threads:
        try:
            return list(threads.map(fetch, packages))
        except BaseException:  # Ctrl-C too must not wait for the other threads' transfers
            mirror.stop()
            threads.shutdown(cancel_futures=True)
            raise


def _has_checksum(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def _unpack(debs: Sequence[Path], prefix: Path, platform: Platform) -> None:
    libraries = PurePosixPath("usr/lib", platform.triplet)
    share = PurePosixPath(f"usr/share/postgresql/{MAJOR}")
    kept = (libraries, PurePosixPath(f"usr/lib/postgresql/{MAJOR}"), share)
    dropped = (libraries / "gconv", share / "man")

    def wants(path: PurePosixPath) -> bool:
        return (
            any(path.is_relative_to(place) for place in kept)
            and not any(path.is_relative_to(place) for place in dropped)
            and "bitcode" not in path.parts
            and not path.name.startswith("llvmjit")
        )

    for deb in debs:
        unpack(deb, folder(prefix), wants=wants)
    for place, _, _ in os.walk(prefix):
        Path(place).chmod(0o755)


def _wrap_programs(programs: Path, platform: Platform) -> None:
    for program in sorted(programs.iterdir()):
        with program.open("rb") as file:
            is_elf = file.read(4) == b"\x7fELF"
        if is_elf:
            program.rename(programs / f".{program.name}.elf")
            program.write_text(
                WRAPPER.format(triplet=platform.triplet, loader=platform.loader, name=program.name)
            )
            program.chmod(0o755)


def _try_out(prefix: Path) -> None:
    share = prefix / f"usr/share/postgresql/{MAJOR}"
    if timescaledb_version(share) < OLDEST_TIMESCALEDB:
        raise CollectorError("The mirror's packages hold no usable timescaledb.")
    postgres = bin_folder(prefix) / "postgres"
    try:
        subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise CollectorError(
            f"The database server does not run in {prefix.parent}: {str(reason).strip()}. If that"
            " file system is mounted noexec, set XDG_CACHE_HOME to a directory on another."
        ) from error


def _stamp(prefix: Path, packages: Sequence[Package]) -> None:
    """Note what was installed, last of all: what has no stamp is not whole."""
    files = {
        str(path.relative_to(prefix)): path.lstat().st_size
        for path in prefix.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    versions = {package.name: package.version for package in packages}
    (prefix / STAMP).write_text(json.dumps({"packages": versions, "files": files}, indent=1))


def _replace(prefix: Path, fresh: Path) -> None:
    """Put the fresh server in place; one that runs from the old files keeps them open."""
    old = prefix.with_name(f"{prefix.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if prefix.exists():
        prefix.rename(old)
    fresh.rename(prefix)
    shutil.rmtree(old, ignore_errors=True)
