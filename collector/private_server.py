"""A PostgreSQL with timescaledb of our own, in the user's cache directory.

It needs neither root nor apt nor Debian. What the machine has installed already is used instead.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from collector import private_install
from collector.debian.index import Release, ReleaseError, read_release
from collector.debian.mirror import Mirror, MirrorError, machine_mirrors
from collector.debian.signature import archive_keyrings
from collector.errors import CollectorError
from collector.postgres import Server, installed_server
from collector.private_install import MAJOR, PLATFORMS, Platform
from collector.progress import Progress

CODENAME = "trixie"  # Debian 13, the first release that carries timescaledb

INSTEAD = "use a TimescaleDB of yours with --database URL, or deploy/compose.yaml, which brings one"


def default_cache() -> Path:
    """Return where the server is kept: for root, where the server's own user can read it."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "vantage"
    return Path("/var/cache/vantage") if os.geteuid() == 0 else Path.home() / ".cache/vantage"


def ensure_server(
    *,
    cache: Path,
    progress: Progress,
    mirror: str | None = None,
    insecure_mirror: bool = False,
    major: int | None = None,
) -> Server:
    """Return a server that is installed on this machine, or else our own.

    ``mirror``: address of a Debian mirror; None: the one this machine's apt uses.
    ``insecure_mirror``: do not ask for Debian's signature on the mirror's index.
    ``major``: the version that an existing data directory needs; None: any.
    Raises: CollectorError.
    """
    if server := installed_server(major):
        return server
    if major not in (None, MAJOR):
        raise CollectorError(
            f"The data was made by PostgreSQL {major}, which is not installed here with"
            " timescaledb. Install it, or begin anew in another directory with --home."
        )
    return fetched_server(
        cache=cache, progress=progress, mirror=mirror, insecure_mirror=insecure_mirror
    )


def fetched_server(
    *, cache: Path, progress: Progress, mirror: str | None, insecure_mirror: bool
) -> Server:
    """Return our own server, which is fetched unless the cache holds it whole.

    Raises: CollectorError.
    """
    platform = this_platform()
    cache = cache.absolute()
    prefix = cache / f"postgresql-{MAJOR}"
    try:
        if not private_install.is_whole(prefix):
            with _only_one(cache, progress):
                if not private_install.is_whole(prefix):
                    mirrors = [mirror] if mirror else machine_mirrors()
                    release = find_release(mirrors, insecure=insecure_mirror)
                    private_install.install(release, platform, cache, prefix, progress)
    except OSError as error:
        raise CollectorError(f"Cannot install the database server in {cache}: {error}.") from error
    return Server(private_install.bin_folder(prefix), MAJOR)


def this_platform() -> Platform:
    """Raises: CollectorError when there is no server of our own for this machine."""
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in PLATFORMS:
        raise CollectorError(
            "Vantage's own database server is for Linux on x86_64 and aarch64; this is"
            f" {sys.platform} on {machine}: {INSTEAD}."
        )
    return PLATFORMS[machine]


def find_release(
    mirrors: Sequence[str], *, insecure: bool, keyrings: Sequence[Path] | None = None
) -> Release:
    """Return the release from the first mirror that has it.

    ``keyrings``: whose signatures count; None: Debian's.
    Raises: CollectorError.
    """
    if not mirrors:
        raise CollectorError(
            "This machine's apt configuration names no Debian mirror: name one with --mirror URL"
            f" (VANTAGE_MIRROR), or {INSTEAD}."
        )
    trusted = archive_keyrings() if keyrings is None else keyrings
    failures = []
    for address in mirrors:
        try:
            return read_release(Mirror(address), CODENAME, keyrings=trusted, insecure=insecure)
        except (MirrorError, ReleaseError) as error:
            failures.append(str(error))
    raise CollectorError(
        f"{' '.join(failures)} Check the network, name another Debian mirror with --mirror URL"
        f" (VANTAGE_MIRROR), or {INSTEAD}."
    )


@contextmanager
def _only_one(cache: Path, progress: Progress) -> Iterator[None]:
    """Let one process at a time install into the cache; the others wait."""
    with (private_install.folder(cache) / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Waiting for another Vantage that is installing the database server")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
