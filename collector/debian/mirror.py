"""Debian mirrors: which one this machine uses, and fetching files from it.

No address stands here: it comes from the machine's own apt configuration, or from the operator.
Source: sources.list(5), apt-transport-mirror(1).
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

from collector.errors import CollectorError

# Suites of Debian's main archive. Security and updates archives are named differently
# (bookworm-security, bookworm-updates) and do not carry whole releases.
SUITES = frozenset(
    (
        *("stable", "oldstable", "oldoldstable", "testing", "unstable"),
        *("bullseye", "bookworm", "trixie", "forky", "duke", "sid"),
    )
)
ONE_LINE = re.compile(r"deb\s+(?:\[[^]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")

PAUSES_S = (1, 2, 4)  # between attempts
TIMEOUT_S = 20
CHUNK_BYTES = 128 * 1024
# The disk's failures, not the mirror's: trying again cannot help.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG)

T = TypeVar("T")


class MirrorError(CollectorError):
    """The mirror cannot be used."""


class NotOnMirrorError(MirrorError):
    """The mirror answers, and does not have this file."""


class Mirror:
    """A Debian mirror, by the address that an apt source would hold."""

    def __init__(self, url: str, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise MirrorError(
                f"{url!r} is not the address of a Debian mirror: it must begin with http:// or"
                " https:// and lead to the folder that holds dists and pool."
            )
        self.url = url.rstrip("/")
        self._pauses_s = pauses_s
        self._stop = threading.Event()

    def stop(self) -> None:
        """End every transfer under way in other threads; they raise MirrorError."""
        self._stop.set()

    def read(self, path: str, *, limit_bytes: int) -> bytes:
        """Fetch a small file whole. Raises: MirrorError."""
        return self._with_retries(path, lambda: b"".join(self._chunks(path, limit_bytes)))

    def save(
        self, path: str, to: Path, *, size: int, sha256: str, advance: Callable[[int], None]
    ) -> None:
        """Fetch a file to disk; it appears at ``to`` only whole and with the right checksum.

        ``advance`` is called with byte counts, negative when an attempt begins anew.
        Raises: MirrorError.
        """
        part = to.with_name(f"{to.name}.part")

        def attempt() -> None:
            done, digest = 0, hashlib.sha256()
            try:
                with part.open("wb") as file:
                    for chunk in self._chunks(path, size):
                        file.write(chunk)
                        digest.update(chunk)
                        done += len(chunk)
                        advance(len(chunk))
                if digest.hexdigest() != sha256:
                    raise http.client.HTTPException("its checksum is not the index's")
            except BaseException:
                part.unlink(missing_ok=True)
                advance(-done)
                raise

        self._with_retries(path, attempt)
        part.replace(to)

    def _chunks(self, path: str, limit_bytes: int) -> Iterator[bytes]:
        request = urllib.request.Request(  # noqa: S310  the scheme was checked above
            f"{self.url}/{quote(path)}", headers={"User-Agent": "vantage"}
        )
        received = 0
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            while chunk := response.read(CHUNK_BYTES):
                received += len(chunk)
                if received > limit_bytes:
                    raise http.client.HTTPException(f"it is longer than {limit_bytes} bytes")
                if self._stop.is_set():
                    raise MirrorError(f"Fetching {path} was given up.")
                yield chunk

    def _with_retries(self, path: str, attempt: Callable[[], T]) -> T:
        pauses_s = iter(self._pauses_s)
        while True:
            try:
                return attempt()
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                    raise
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
                    if error.code in (403, 404, 410):
                        raise NotOnMirrorError(f"{self.url} has no {path}.") from error
                pause_s = next(pauses_s, None)
                if pause_s is None or self._stop.wait(pause_s):
                    # URLError wraps what the network said; its subclass for statuses speaks itself.
                    said = error.reason if type(error) is urllib.error.URLError else error
                    raise MirrorError(f"Cannot fetch {path} from {self.url}: {said}.") from error


def machine_mirrors(apt: Path = Path("/etc/apt")) -> list[str]:
    """Addresses in this machine's apt configuration that may be Debian's main archive, best first.

    Third parties also name their suites ``stable`` and ``bookworm``, so the caller asks each for
    the release it wants. A folder called ``debian``, as every mirror has, goes first.
    """
    addresses = dict.fromkeys(
        uri.rstrip("/")
        for uri, suites, components in _sources(apt)
        if SUITES.intersection(suites)
        and "main" in components
        and uri.startswith(("http://", "https://"))
    )
    return sorted(addresses, key=lambda address: not address.endswith("/debian"))


Source = tuple[str, list[str], list[str]]  # one URI, its suites, its components


def _sources(apt: Path) -> Iterator[Source]:
    folder = apt / "sources.list.d"
    for path in sorted(folder.glob("*.sources")):
        yield from _deb822_sources(_text(path))
    for path in (apt / "sources.list", *sorted(folder.glob("*.list"))):
        yield from _one_line_sources(_text(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # absent, or not for our eyes
        return ""


def _one_line_sources(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        if match := ONE_LINE.match(line.partition("#")[0].strip()):
            for uri in _expanded(match["uri"]):
                yield uri, [match["suite"]], match["components"].split()


def _deb822_sources(text: str) -> Iterator[Source]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        unfolded = re.sub(r"\n[ \t]+", " ", stanza)
        pairs = (line.partition(":") for line in unfolded.splitlines())
        fields = {name.strip().lower(): value.split() for name, _, value in pairs}
        is_enabled = fields.get("enabled", ["yes"])[:1] not in (["no"], ["false"], ["0"])
        if is_enabled and "deb" in fields.get("types", []):
            for uri in fields.get("uris", []):
                for address in _expanded(uri):
                    yield address, fields.get("suites", []), fields.get("components", [])


def _expanded(uri: str) -> list[str]:
    """Read the mirror list that Debian's cloud images put between apt and the address."""
    if not uri.startswith("mirror+file:"):
        return [uri]
    lines = _text(Path(urlsplit(uri).path)).splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
