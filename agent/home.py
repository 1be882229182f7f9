"""The agent's directory: who it is, what it was told to probe, and its spool.

``agent.key`` never leaves it. ``agent.json`` is written last, so it exists only when everything
else of an identity does.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path

from agent.errors import FatalError, reason
from agent.segment import sync_directory


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this agent is, and the validity of its certificate (seconds after the Unix epoch).

    ``collector``: host:port of delivery.
    """

    agent_id: str
    location: str
    collector: str
    certificate_issued_at_s: int
    certificate_expires_at_s: int

    @property
    def renewal_at_s(self) -> float:
        """When two thirds of the certificate's life are over (seconds after the epoch)."""
        life_s = self.certificate_expires_at_s - self.certificate_issued_at_s
        return self.certificate_issued_at_s + life_s * 2 / 3


@dataclass(frozen=True, slots=True)
class Credentials:
    """What TLS needs, PEM. Without key and certificate: only to be trusted, not known."""

    authority: bytes
    key: bytes | None = None
    certificate: bytes | None = None


def default_path() -> Path:
    """Where an agent lives unless told otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/vantage-agent")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "vantage-agent"


def home_argument(path: Path) -> str:
    """Return what a command needs to find this home, to be put behind its name."""
    return "" if path == default_path() else f" --home {shlex.quote(str(path))}"


class Home:
    """One agent's directory; the first thing to be written makes it where it does not exist.

    Whatever writes raises FatalError if it cannot.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key_path = path / "agent.key"
        self._certificate_path = path / "agent.crt"
        self._authority_path = path / "authority.crt"
        self._new_key_path = path / "agent.key.new"
        self._identity_path = path / "agent.json"
        self._assignments_path = path / "assignments.bin"
        self._spool_path = path / "spool"
        self._spool_owner_path = self._spool_path / "agent_id"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the directory for this process alone.

        Raises: FatalError if another process holds it.
        """
        with self._writing():
            self._make()
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._hand_over(descriptor)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
                raise FatalError(
                    f"An agent is already running (pid {pid}) in {self.path}."
                    " Stop it, or give this one another --home."
                ) from None
            with contextlib.suppress(OSError):  # a full disk: it is a note, no more
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    @property
    def is_joined(self) -> bool:
        """Whether it is some agent's at all."""
        return self._identity_path.exists()

    def identity(self) -> Identity:
        """Return who this agent is.

        Raises: FatalError if it is nobody yet, or if what is stored cannot be read.
        """
        try:
            return Identity(**json.loads(self._identity_path.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            raise FatalError(
                f"{self.path} is no agent's home yet. Join first, with a token from the centre"
                f" (vantage agent token): vantage-agent join{home_argument(self.path)} TOKEN"
            ) from None
        except (OSError, ValueError, TypeError) as error:
            raise FatalError(
                f"{self._identity_path} cannot be read ({reason(error)})."
                " Restore it, or join again: vantage-agent join --replace"
                f"{home_argument(self.path)} TOKEN"
            ) from error

    def valid_identity(self, now_s: float) -> Identity:
        """Return who this agent is.

        Raises: FatalError as ``identity`` does, and once no collector can accept its certificate.
        """
        identity = self.identity()
        if now_s < identity.certificate_expires_at_s:
            return identity
        expired_at = datetime.fromtimestamp(identity.certificate_expires_at_s, UTC)
        raise FatalError(
            f"This agent's certificate expired at {expired_at:%Y-%m-%d %H:%M:%S} UTC by the clock"
            " of this machine. If that clock is right, enrol again, and nothing is lost. At the"
            f" centre: vantage agent token --agent {identity.agent_id}. Here: vantage-agent join"
            f"{home_argument(self.path)} TOKEN"
        )

    def credentials(self) -> Credentials:
        """Read what the agent shows to collectors, and what it knows them by.

        Raises: FatalError if a file is missing or unreadable.
        """
        try:
            return Credentials(
                authority=self._authority_path.read_bytes(),
                key=self._key_path.read_bytes(),
                certificate=self._certificate_path.read_bytes(),
            )
        except OSError as error:
            raise FatalError(
                f"{error.filename} cannot be read ({error.strerror})."
                " Restore it, or join again: vantage-agent join --replace"
                f"{home_argument(self.path)} TOKEN"
            ) from error

    def begin_key(self, pem: bytes) -> None:
        """Keep a key whose certificate is still to be asked for."""
        self._store(self._new_key_path, pem)

    def store_identity(self, identity: Identity, *, certificate: bytes, authority: bytes) -> None:
        """Become ``identity``, with the key of ``begin_key``; what was before is replaced."""
        with self._writing():
            self._identity_path.unlink(missing_ok=True)
            self._assignments_path.unlink(missing_ok=True)
            self._new_key_path.rename(self._key_path)
        self._store(self._authority_path, authority)
        self.store_renewal(identity, certificate=certificate)

    def store_renewal(
        self, identity: Identity, *, certificate: bytes, authority: bytes = b""
    ) -> None:
        """Keep a new certificate for the same key; ``authority``: what to trust, if it is new."""
        if authority and authority != self._authority_path.read_bytes():
            self._store(self._authority_path, authority)
        self._store(self._certificate_path, certificate)
        self._store(self._identity_path, json.dumps(asdict(identity), indent=2).encode() + b"\n")

    def assignments(self) -> bytes:
        """What was to be probed when last heard of, as it was received; empty: nothing yet."""
        try:
            return self._assignments_path.read_bytes()
        except FileNotFoundError:
            return b""

    def store_assignments(self, encoded: bytes) -> None:
        """Remember what is to be probed, without secrets, for a start without a collector."""
        self._store(self._assignments_path, encoded)

    def claim_spool(self, agent_id: str) -> Path:
        """Return the spool's directory, which belongs to this agent alone.

        Raises: FatalError if it holds another agent's results.
        """
        owner = self._spool_owner()
        if owner != agent_id and any(self._undelivered()):
            raise FatalError(
                f"The spool {self._spool_path} holds results of agent {owner or '(unknown)'},"
                f" but this is agent {agent_id}: they cannot be delivered in its name."
                " Move that directory away, or give this agent another --home."
            )
        with self._writing():
            self._spool_path.mkdir(mode=0o700, exist_ok=True)
        if owner != agent_id:
            self._store(self._spool_owner_path, agent_id.encode() + b"\n")
        return self._spool_path

    def set_spool_aside(self, agent_id: str) -> Path | None:
        """Move another agent's undelivered results out of the way; None: there were none."""
        owner = self._spool_owner()
        if owner == agent_id or not any(self._undelivered()):
            return None
        first = self.path / f"spool-of-{owner or 'unknown'}"
        further = (first.with_name(f"{first.name}-{number}") for number in count(2))
        aside = next(path for path in chain([first], further) if not path.exists())
        with self._writing():
            self._spool_path.rename(aside)
        return aside

    def _spool_owner(self) -> str:
        """Return whose results the spool holds; empty: nobody's."""
        with self._writing():
            try:
                return self._spool_owner_path.read_text("utf-8", "replace").strip()
            except FileNotFoundError:
                return ""

    def _undelivered(self) -> Iterator[Path]:
        return self._spool_path.glob("*/*.seg")

    def _store(self, path: Path, content: bytes) -> None:
        """Replace a file as a whole, durably."""
        temporary = path.with_name(path.name + ".tmp")
        with self._writing():
            self._make()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._hand_over(descriptor)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.rename(path)
            sync_directory(path.parent)

    def _make(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _hand_over(self, descriptor: int) -> None:
        """Give what root has made to whom the directory belongs, such as a service's own user."""
        if os.geteuid() == 0:
            owner = self.path.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FatalError(
                f"Cannot write to {self.path}: {error.strerror}."
                " Make it writable for this user, or choose another --home."
            ) from error
